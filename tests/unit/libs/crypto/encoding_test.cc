#include "libs/crypto/encoding.h"

#include <utility>

#include <gtest/gtest.h>

namespace oa::crypto {
namespace {

TEST(Encoding, reads_back_what_it_wrote) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(*hex_decode(hex_encode(bytes)), bytes);
    EXPECT_EQ(*base64_decode(base64_encode(bytes)), bytes);
    EXPECT_EQ(*base64url_decode(base64url_encode(bytes)), bytes);
    bytes += static_cast<char>(i * 7);
  }
}

// RFC 4648 section 10.
TEST(Encoding, gives_the_published_texts) {
  const std::pair<std::string, std::string> cases[] = {{"", ""},
                                                       {"f", "Zg=="},
                                                       {"fo", "Zm8="},
                                                       {"foo", "Zm9v"},
                                                       {"foob", "Zm9vYg=="},
                                                       {"fooba", "Zm9vYmE="},
                                                       {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : cases) {
    EXPECT_EQ(base64_encode(bytes), text);
    EXPECT_EQ(base64url_encode(bytes), text.substr(0, text.find('=')));
  }
  EXPECT_EQ(hex_encode("foobar"), "666f6f626172");
  EXPECT_EQ(base64_encode("\xfb\xff"), "+/8=");
  EXPECT_EQ(base64url_encode("\xfb\xff"), "-_8");
}

TEST(Hex, takes_both_cases_and_nothing_else) {
  EXPECT_EQ(*hex_decode("fBFb"), "\xfb\xfb");
  for (const char* bad : {"a", "0x", "g0", "0 ", " 00", "00\n", "+1"}) {
    EXPECT_EQ(hex_decode(bad).error().detail, "must be hex") << bad;
  }
}

TEST(Base64, refuses_what_it_would_not_write) {
  for (const char* bad : {"a", "ab", "abc", "****", "=a==", "a===", "====", "ab=c", "dXNl=cjp",
                          "dXNl\ncjpw", "dXNlcj=", "Zh==", "Zm9=", "-_8="}) {
    EXPECT_EQ(base64_decode(bad).error().detail, "must be base64") << bad;
  }
  for (const char* bad : {"a", "Zg==", "Zh", "Zm9", "+/8", "Zg "}) {
    EXPECT_EQ(base64url_decode(bad).error().detail, "must be base64url") << bad;
  }
}

}  // namespace
}  // namespace oa::crypto
