#include "libs/kube/cpprest_tls_impl.h"

#include <string>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "libs/kube/material.h"

namespace oa::kube {
namespace {

template <typename T, void (*Free)(T*)>
struct Freer {
  void operator()(T* value) const { Free(value); }
};
using BioPointer = std::unique_ptr<BIO, Freer<BIO, BIO_free_all>>;
using X509Pointer = std::unique_ptr<X509, Freer<X509, X509_free>>;
using KeyPointer = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY, EVP_PKEY_free>>;

BioPointer bio_of(const std::string& text) {
  return BioPointer(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// Trusts the certificates of `pem` and no others.
void trust(SSL_CTX* context, const std::string& pem) {
  X509_STORE* store = X509_STORE_new();
  SSL_CTX_set_cert_store(context, store);  // takes ownership
  const BioPointer bio = bio_of(pem);
  int count = 0;
  while (X509Pointer certificate{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
    X509_STORE_add_cert(store, certificate.get());
    ++count;
  }
  ERR_clear_error();  // the end of the text is one
  if (count == 0) throw TlsMaterialError("the CA must be one or more PEM certificates");
}

void use_identity(SSL_CTX* context, const ClientIdentity& identity) {
  const BioPointer chain = bio_of(identity.certificate);
  const X509Pointer leaf(PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr));
  if (!leaf || SSL_CTX_use_certificate(context, leaf.get()) != 1) {
    throw TlsMaterialError("the client certificate must be a PEM certificate");
  }
  while (X509Pointer issuer{PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr)}) {
    SSL_CTX_add1_chain_cert(context, issuer.get());
  }
  ERR_clear_error();
  const BioPointer bio = bio_of(identity.key);
  const KeyPointer key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  if (!key || SSL_CTX_use_PrivateKey(context, key.get()) != 1) {
    throw TlsMaterialError(
        "the client key must be a PEM private key without a passphrase that fits the certificate");
  }
}

}  // namespace

void set_up_tls(SSL_CTX* context, const TlsOptions& tls,
                const std::shared_ptr<const ClientIdentity>& identity) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  std::string ca = tls.ca_data;
  if (ca.empty() && !tls.ca_file.empty()) {
    Result<std::string> file = read_file(tls.ca_file);
    if (!file) throw TlsMaterialError(file.error().detail);
    ca = std::move(*file);
  }
  if (!ca.empty()) trust(context, ca);
  if (identity) use_identity(context, *identity);
}

}  // namespace oa::kube
