#include "libs/crypto/digest.h"

#include <string>

#include <gtest/gtest.h>

#include "libs/crypto/encoding.h"

namespace oa::crypto {
namespace {

std::string hex(const Digest& digest) { return hex_encode(bytes_of(digest)); }

// NIST's examples for FIPS 180-4.
TEST(Sha256, gives_the_published_digests) {
  EXPECT_EQ(hex(sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(hex(sha256(std::string(1'000'000, 'a'))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, does_not_care_how_the_bytes_are_cut) {
  const std::string bytes = "the quick brown fox jumps over the lazy dog, and over the next one";
  Sha256 hash;
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    hash.add(std::string_view(bytes).substr(0, cut)).add(std::string_view(bytes).substr(cut));
    EXPECT_EQ(hash.finish(), sha256(bytes)) << cut;
  }
  EXPECT_EQ(hash.finish(), sha256(""));
}

// RFC 4231, without the truncated case 5.
TEST(HmacSha256, gives_the_published_codes) {
  std::string counting;
  for (char c = 1; c <= 25; ++c) counting += c;
  struct Case {
    std::string key;
    std::string message;
    const char* code;
  };
  const Case cases[] = {
      {std::string(20, '\x0b'), "Hi There",
       "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
      {"Jefe", "what do ya want for nothing?",
       "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
      {std::string(20, '\xaa'), std::string(50, '\xdd'),
       "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
      {counting, std::string(50, '\xcd'),
       "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
      {std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First",
       "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
      {std::string(131, '\xaa'),
       "This is a test using a larger than block-size key and a larger than block-size data. The "
       "key needs to be hashed before being used by the HMAC algorithm.",
       "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(hex(hmac_sha256(c.key, {c.message})), c.code) << c.message;
    const std::string_view message = c.message;
    EXPECT_EQ(hex(hmac_sha256(c.key, {message.substr(0, 3), {}, message.substr(3)})), c.code);
  }
}

TEST(HmacSha256, takes_an_empty_key_for_one) {
  EXPECT_EQ(hex(hmac_sha256({}, {})),
            "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(ConstantTimeEqual, compares_bytes) {
  EXPECT_TRUE(constant_time_equal({}, ""));
  EXPECT_TRUE(constant_time_equal(std::string("a\0b", 3), std::string("a\0b", 3)));
  EXPECT_FALSE(constant_time_equal(std::string("a\0b", 3), std::string("a\0c", 3)));
  EXPECT_FALSE(constant_time_equal("abc", "ab"));
}

}  // namespace
}  // namespace oa::crypto
