// Certificates made on the spot: a CA, and what it signs.
//
// Thread-safety: none.
#pragma once

#include <string>
#include <vector>

namespace oa::test {

// PEM.
struct Certificate {
  std::string certificate;
  std::string key;
};

class TestCa {
 public:
  explicit TestCa(const std::string& name = "test CA");

  const std::string& pem() const { return ca_.certificate; }

  // `alternative_names` in OpenSSL's form: "DNS:localhost", "IP:127.0.0.1".
  Certificate issue(const std::string& common_name,
                    const std::vector<std::string>& alternative_names = {}) const;

 private:
  Certificate ca_;
};

}  // namespace oa::test
