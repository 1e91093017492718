// SHA-256 and HMAC-SHA-256, and the comparison that secrets need.
//
// Thread-safety: plain values and pure functions.
#pragma once

#include <array>
#include <initializer_list>
#include <memory>
#include <string_view>

struct evp_md_ctx_st;  // OpenSSL's EVP_MD_CTX

namespace oa::crypto {

// 32 bytes: a SHA-256, or an HMAC of it.
using Digest = std::array<unsigned char, 32>;

inline std::string_view bytes_of(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

// FIPS 180-4. Of a few hundred bytes it takes well under a microsecond.
Digest sha256(std::string_view bytes);

// The same of bytes that come in parts.
class Sha256 {
 public:
  Sha256();
  Sha256& add(std::string_view bytes);
  // The digest of all that was added; the next `add` begins a new one.
  Digest finish();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

// RFC 2104 over the concatenation of the parts. An empty key authenticates nothing: who takes keys
// from outside must refuse it.
Digest hmac_sha256(std::string_view key, std::initializer_list<std::string_view> parts);

// Takes as long for unequal bytes as for equal ones. The lengths are no secret.
bool constant_time_equal(std::string_view a, std::string_view b);

}  // namespace oa::crypto
