#include "tests/support/test_pki.h"

#include <cstdlib>
#include <memory>
#include <random>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

namespace oa::test {
namespace {

void must(bool worked) {
  if (!worked) std::abort();
}

struct Free {
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(X509* p) const { X509_free(p); }
  void operator()(BIO* p) const { BIO_free_all(p); }
};
using Key = std::unique_ptr<EVP_PKEY, Free>;
using Cert = std::unique_ptr<X509, Free>;
using Bio = std::unique_ptr<BIO, Free>;

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

std::string pem_of(X509* certificate) {
  const Bio bio(BIO_new(BIO_s_mem()));
  must(PEM_write_bio_X509(bio.get(), certificate) == 1);
  return text_of(bio.get());
}

std::string pem_of(EVP_PKEY* key) {
  const Bio bio(BIO_new(BIO_s_mem()));
  must(PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return text_of(bio.get());
}

Cert read_certificate(const std::string& pem) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return Cert(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

Key read_key(const std::string& pem) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return Key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
}

void extend(X509* certificate, int nid, const std::string& value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
  must(extension != nullptr);
  must(X509_add_ext(certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

Cert make_certificate(const std::string& common_name, EVP_PKEY* key, const X509* issuer) {
  Cert certificate(X509_new());
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()),
                   static_cast<long>(std::random_device()() >> 1));
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), key);
  X509_NAME* name = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1,
                             0);
  X509_set_issuer_name(certificate.get(), issuer ? X509_get_subject_name(issuer) : name);
  return certificate;
}

}  // namespace

TestCa::TestCa(const std::string& name) {
  const Key key(EVP_EC_gen("P-256"));
  const Cert certificate = make_certificate(name, key.get(), nullptr);
  extend(certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
  must(X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0);
  ca_ = {pem_of(certificate.get()), pem_of(key.get())};
}

Certificate TestCa::issue(const std::string& common_name,
                          const std::vector<std::string>& alternative_names) const {
  const Cert issuer = read_certificate(ca_.certificate);
  const Key issuer_key = read_key(ca_.key);
  const Key key(EVP_EC_gen("P-256"));
  const Cert certificate = make_certificate(common_name, key.get(), issuer.get());
  std::string names;
  for (const std::string& name : alternative_names) names += (names.empty() ? "" : ",") + name;
  if (!names.empty()) extend(certificate.get(), NID_subject_alt_name, names);
  must(X509_sign(certificate.get(), issuer_key.get(), EVP_sha256()) > 0);
  return {pem_of(certificate.get()), pem_of(key.get())};
}

}  // namespace oa::test
