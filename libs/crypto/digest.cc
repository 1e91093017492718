#include "libs/crypto/digest.h"

#include <cstdlib>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

namespace oa::crypto {
namespace {

// OpenSSL fails here only without memory or without its default provider.
void must(bool done) {
  if (!done) std::abort();
}

// Looked up once: a look-up costs as much as the hash of a small record. Never freed, as OpenSSL
// ends after everything that hashes.
const EVP_MD* algorithm() {
  static const EVP_MD* const found = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  must(found != nullptr);
  return found;
}

EVP_MAC* hmac_algorithm() {
  static EVP_MAC* const found = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  must(found != nullptr);
  return found;
}

struct FreeMac {
  void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
};

}  // namespace

Digest sha256(std::string_view bytes) {
  Digest digest;
  must(EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, algorithm(), nullptr) == 1);
  return digest;
}

void Sha256::Free::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  must(context_ != nullptr && EVP_DigestInit_ex2(context_.get(), algorithm(), nullptr) == 1);
}

Sha256& Sha256::add(std::string_view bytes) {
  must(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
  return *this;
}

Digest Sha256::finish() {
  Digest digest;
  must(EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr) == 1);
  must(EVP_DigestInit_ex2(context_.get(), nullptr, nullptr) == 1);
  return digest;
}

Digest hmac_sha256(std::string_view key, std::initializer_list<std::string_view> parts) {
  const std::unique_ptr<EVP_MAC_CTX, FreeMac> context(EVP_MAC_CTX_new(hmac_algorithm()));
  char name[] = "SHA256";
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
                                   OSSL_PARAM_construct_end()};
  // An empty view may have no address, which would mean "the key as it was".
  const char* bytes = key.empty() ? "" : key.data();
  must(context != nullptr &&
       EVP_MAC_init(context.get(), reinterpret_cast<const unsigned char*>(bytes), key.size(),
                    parameters) == 1);
  for (const std::string_view part : parts) {
    must(EVP_MAC_update(context.get(), reinterpret_cast<const unsigned char*>(part.data()),
                        part.size()) == 1);
  }
  Digest digest;
  std::size_t size = 0;
  must(EVP_MAC_final(context.get(), digest.data(), &size, digest.size()) == 1 &&
       size == digest.size());
  return digest;
}

bool constant_time_equal(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace oa::crypto
