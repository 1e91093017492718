#include "runtime-pod/audit/signing_key.h"

namespace oa::runtime {

std::string signing_key_path(const std::string& directory) { return directory + "/signing.key"; }

Result<crypto::Ed25519PrivateKey> load_signing_key(const std::string& directory) {
  const std::string path = signing_key_path(directory);
  auto key = crypto::Ed25519PrivateKey::load(path);
  if (key || key.error().code != Code::kNotFound) return key;
  auto made = crypto::Ed25519PrivateKey::generate();
  if (auto saved = made.save(path); !saved) return saved.error();
  return made;
}

}  // namespace oa::runtime
