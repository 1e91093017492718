#include "runtime-pod/secrets.h"

#include <fstream>

namespace oa::runtime {

Result<std::vector<std::string>> read_secret(const std::string& directory,
                                             const SecretKeyRef& ref) {
  std::ifstream file(directory + "/" + ref.name + "/" + ref.key, std::ios::binary);
  std::vector<std::string> values;
  std::string line;
  while (std::getline(file, line)) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) values.push_back(line);
  }
  if (!file.eof()) {
    return make_error(Code::kNotFound, "SecretMissing",
                      "the key " + ref.key + " of the secret " + ref.name +
                          " must be a file of the secrets directory that can be read");
  }
  return values;
}

}  // namespace oa::runtime
