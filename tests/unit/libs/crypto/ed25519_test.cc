#include "libs/crypto/ed25519.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/crypto/encoding.h"
#include "tests/support/temp_dir.h"

namespace oa::crypto {
namespace {

using ::testing::HasSubstr;

template <typename Bytes>
std::string_view view(const Bytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string read_text(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

void write_file(const std::string& path, const std::string& text, mode_t mode = 0600) {
  std::ofstream(path) << text;
  ASSERT_EQ(chmod(path.c_str(), mode), 0);
}

// PKCS #8 (RFC 8410 section 7) of the 32 bytes of a key.
std::string private_pem(const std::string& seed) {
  const std::string header = *hex_decode("302e020100300506032b657004220420");
  return "-----BEGIN PRIVATE KEY-----\n" + base64_encode(header + seed) +
         "\n-----END PRIVATE KEY-----\n";
}

// RFC 8032 section 7.1, tests 1 to 3.
TEST(Ed25519, gives_the_published_signatures) {
  struct Case {
    const char* seed;
    const char* key;
    const char* message;
    const char* signature;
  };
  const Case cases[] = {
      {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
       "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
       "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf"
       "9"
       "b46bd25bf5f0595bbe24655141438e7a100b"},
      {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
       "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
       "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f"
       "1"
       "1d8c387b2eaeb4302aeeb00d291612bb0c00"},
      {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
       "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
       "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984"
       "d"
       "c6594a7c15e9716ed28dc027beceea1ec40a"},
  };
  const test::TempDir dir;
  for (const Case& c : cases) {
    write_file(dir.file("key"), private_pem(*hex_decode(c.seed)));
    const auto key = Ed25519PrivateKey::load(dir.file("key"));
    ASSERT_TRUE(key) << key.error().detail;
    const std::string message = *hex_decode(c.message);
    EXPECT_EQ(hex_encode(view(key->public_key().bytes)), c.key);
    EXPECT_EQ(hex_encode(view(key->sign(message))), c.signature);
    EXPECT_TRUE(verify(key->public_key(), message, *hex_decode(c.signature)));
  }
}

TEST(Ed25519, takes_no_other_message_key_or_signature) {
  const auto key = Ed25519PrivateKey::generate();
  const auto other = Ed25519PrivateKey::generate();
  const Ed25519Signature signature = key.sign("message");
  EXPECT_TRUE(verify(key.public_key(), "message", view(signature)));
  EXPECT_FALSE(verify(key.public_key(), "massage", view(signature)));
  EXPECT_FALSE(verify(key.public_key(), "", view(signature)));
  EXPECT_FALSE(verify(other.public_key(), "message", view(signature)));
  EXPECT_FALSE(verify(Ed25519PublicKey(), "message", view(signature)));
  EXPECT_FALSE(verify(key.public_key(), "message", view(signature).substr(1)));
  EXPECT_FALSE(verify(key.public_key(), "message", ""));
  for (std::size_t i = 0; i < signature.size(); ++i) {
    Ed25519Signature changed = signature;
    changed[i] ^= 1;
    EXPECT_FALSE(verify(key.public_key(), "message", view(changed))) << i;
  }
}

TEST(Ed25519, keeps_a_private_key_in_a_file_of_its_owner) {
  const test::TempDir dir;
  const auto key = Ed25519PrivateKey::generate();
  const auto saved = key.save(dir.file("key"));
  ASSERT_TRUE(saved) << saved.error().detail;
  struct stat about {};
  ASSERT_EQ(stat(dir.file("key").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 07777U, 0600U);
  const auto loaded = Ed25519PrivateKey::load(dir.file("key"));
  ASSERT_TRUE(loaded) << loaded.error().detail;
  EXPECT_EQ(loaded->public_key(), key.public_key());
  EXPECT_EQ(loaded->sign("message"), key.sign("message"));
}

TEST(Ed25519, never_overwrites_a_key_and_leaves_no_draft) {
  const test::TempDir dir;
  ASSERT_TRUE(Ed25519PrivateKey::generate().save(dir.file("key")));
  const std::string before = read_text(dir.file("key"));
  EXPECT_EQ(Ed25519PrivateKey::generate().save(dir.file("key")).error().code, Code::kConflict);
  EXPECT_EQ(read_text(dir.file("key")), before);
  using Files = std::filesystem::directory_iterator;
  EXPECT_EQ(std::distance(Files(dir.path()), Files()), 1);
  EXPECT_EQ(Ed25519PrivateKey::generate().save(dir.file("none/key")).error().code,
            Code::kUnavailable);
}

TEST(Ed25519, refuses_key_files_that_others_may_use) {
  const test::TempDir dir;
  const std::string path = dir.file("key");
  ASSERT_TRUE(Ed25519PrivateKey::generate().save(path));
  for (const mode_t mode : {0604U, 0602U, 0601U, 0644U}) {
    ASSERT_EQ(chmod(path.c_str(), mode), 0);
    EXPECT_THAT(Ed25519PrivateKey::load(path).error().detail,
                HasSubstr("must be closed to other users"));
  }
  ASSERT_EQ(chmod(path.c_str(), 0640), 0);
  EXPECT_TRUE(Ed25519PrivateKey::load(path));
}

TEST(Ed25519, refuses_files_without_a_key) {
  const test::TempDir dir;
  EXPECT_EQ(Ed25519PrivateKey::load(dir.file("none")).error().code, Code::kNotFound);
  EXPECT_THAT(Ed25519PrivateKey::load(dir.path()).error().detail, HasSubstr("must be a file"));
  const std::string encrypted =
      "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
      "MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjPmw4hqO0yVQICCAAw\n"
      "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEAAAAAAAAAAAAAAAAAAAAAAEQAAA\n"
      "-----END ENCRYPTED PRIVATE KEY-----\n";
  const std::string pem = private_pem(std::string(32, 'k'));
  for (const std::string& text :
       {std::string(), std::string("text"), encrypted, pem.substr(0, pem.size() / 2),
        to_pem(Ed25519PublicKey()), private_pem(std::string(31, 'k')), std::string(20000, 'x')}) {
    write_file(dir.file("bad"), text);
    const auto loaded = Ed25519PrivateKey::load(dir.file("bad"));
    ASSERT_FALSE(loaded) << text;
    EXPECT_EQ(loaded.error().code, Code::kInvalidRequest);
    EXPECT_THAT(loaded.error().detail, HasSubstr("unencrypted Ed25519 private key"));
  }
}

TEST(Ed25519, gives_public_keys_as_text) {
  const Ed25519PublicKey key = Ed25519PrivateKey::generate().public_key();
  EXPECT_EQ(*parse_public_key(to_pem(key)), key);
  // The example of RFC 8410 section 10.1.
  const auto example = parse_public_key(
      "-----BEGIN PUBLIC KEY-----\n"
      "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
      "-----END PUBLIC KEY-----\n");
  ASSERT_TRUE(example);
  EXPECT_EQ(hex_encode(view(example->bytes)),
            "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1");
  for (const std::string& bad :
       {std::string(), std::string("text"), private_pem(std::string(32, 'k'))}) {
    EXPECT_EQ(parse_public_key(bad).error().detail, "must be an Ed25519 public key in PEM");
  }
}

}  // namespace
}  // namespace oa::crypto
