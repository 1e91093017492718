#include "libs/crypto/random.h"

#include <cstdlib>
#include <limits>

#include <openssl/rand.h>

namespace oa::crypto {

std::string random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  if (count > static_cast<std::size_t>(std::numeric_limits<int>::max()) ||
      RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(count)) != 1) {
    std::abort();
  }
  return bytes;
}

}  // namespace oa::crypto
