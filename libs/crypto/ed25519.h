// Ed25519 signatures (RFC 8032), and the files that keys are kept in.
//
// A private key shows itself to nobody: it comes from the generator or from a file, signs, and can
// be written to a file.
//
// Thread-safety: keys are immutable and can be used from any thread.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "core/result.h"

struct evp_pkey_st;  // OpenSSL's EVP_PKEY

namespace oa::crypto {

using Ed25519Signature = std::array<unsigned char, 64>;

struct Ed25519PublicKey {
  std::array<unsigned char, 32> bytes{};

  bool operator==(const Ed25519PublicKey&) const = default;
};

class Ed25519PrivateKey {
 public:
  static Ed25519PrivateKey generate();

  // Reads a PEM file of PKCS #8. NOT_FOUND when there is none; INVALID_REQUEST for one that users
  // other than its owner and group have any access to (Kubernetes gives a pod its Secrets through
  // the group), and for what is no unencrypted Ed25519 key.
  static Result<Ed25519PrivateKey> load(const std::string& path);

  // Creates the file with mode 0600; once this returns it is on the disk, and at no time is a part
  // of it to be seen under its name. CONFLICT when there is a file of that name: a key is never
  // overwritten.
  Result<void> save(const std::string& path) const;

  Ed25519PublicKey public_key() const;
  Ed25519Signature sign(std::string_view message) const;

 private:
  explicit Ed25519PrivateKey(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)) {}

  std::shared_ptr<evp_pkey_st> key_;  // never null; wiped by OpenSSL with its last owner
};

// Whether the holder of the private key signed exactly this message. A signature of another length
// than 64 bytes is none.
bool verify(const Ed25519PublicKey& key, std::string_view message, std::string_view signature);

// SubjectPublicKeyInfo (RFC 8410) as PEM.
std::string to_pem(const Ed25519PublicKey& key);
// INVALID_REQUEST: "must be an Ed25519 public key in PEM".
Result<Ed25519PublicKey> parse_public_key(std::string_view pem);

}  // namespace oa::crypto
