// The key with which a runtime signs what it says about its audit logs. It lies in the data
// directory, is made at the first start, and is in no answer, log or export.
//
// Thread-safety: can be called from any thread.
#pragma once

#include <string>

#include "core/result.h"
#include "libs/crypto/ed25519.h"

namespace oa::runtime {

std::string signing_key_path(const std::string& directory);

// Reads `signing.key`, or makes it where there is none. The directory must be locked.
Result<crypto::Ed25519PrivateKey> load_signing_key(const std::string& directory);

}  // namespace oa::runtime
