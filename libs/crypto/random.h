// Bytes that nobody can guess: for tokens, secrets and keys.
//
// Thread-safety: can be called from any thread.
#pragma once

#include <cstddef>
#include <string>

namespace oa::crypto {

// From OpenSSL's generator, which the system seeds. Ends the process if there is no entropy:
// nothing that needs such bytes may go on without them.
std::string random_bytes(std::size_t count);

}  // namespace oa::crypto
