#include "libs/crypto/ed25519.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "libs/crypto/encoding.h"
#include "libs/crypto/random.h"

namespace oa::crypto {
namespace {

constexpr std::size_t kMaxFile = 16 * 1024;

void must(bool done) {
  if (!done) std::abort();
}

struct FreeOpenSsl {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
template <typename T>
using Owned = std::unique_ptr<T, FreeOpenSsl>;

// Bytes of a private key, wiped when they are no longer needed.
struct Secret {
  Secret() = default;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { OPENSSL_cleanse(bytes.data(), bytes.size()); }

  std::string bytes;
};

struct Descriptor {
  explicit Descriptor(int number) : fd(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }

  const int fd;
};

const unsigned char* data_of(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

// OpenSSL would ask the terminal for the password of an encrypted key.
int no_password(char*, int, int, void*) { return -1; }

Error system_error(const std::string& what, const std::string& path) {
  return make_error(Code::kUnavailable, what + " " + path + ": " + std::strerror(errno));
}

Result<void> read_key_file(const std::string& path, std::string& bytes) {
  // Not blocking, so that a pipe of that name is told about instead of waited for.
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.fd < 0) {
    return errno == ENOENT ? make_error(Code::kNotFound, "there is no key file " + path)
                           : system_error("cannot open the key file", path);
  }
  struct stat about {};
  if (fstat(file.fd, &about) != 0) return system_error("cannot look at the key file", path);
  if (!S_ISREG(about.st_mode)) {
    return make_error(Code::kInvalidRequest, "the key file " + path + " must be a file");
  }
  if ((about.st_mode & S_IRWXO) != 0) {
    char mode[8] = {};
    std::snprintf(mode, sizeof mode, "%04o", static_cast<unsigned>(about.st_mode & 07777));
    return make_error(Code::kInvalidRequest, "the key file " + path + " has mode " + mode +
                                                 " but must be closed to other users: chmod 0600");
  }
  bytes.resize(kMaxFile + 1);
  std::size_t size = 0;
  while (size < bytes.size()) {
    const ssize_t count = read(file.fd, bytes.data() + size, bytes.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_error("cannot read the key file", path);
    if (count == 0) break;
    size += static_cast<std::size_t>(count);
  }
  bytes.resize(size);
  return {};
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

// Under another name first, synced, then given its own by a link, which fails when the name is
// taken.
Result<void> create_key_file(const std::string& path, std::string_view bytes) {
  const std::size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const std::string draft = path + "." + hex_encode(random_bytes(8)) + ".tmp";
  const Descriptor file(
      open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (file.fd < 0) return system_error("cannot create the key file", draft);
  Result<void> created;
  if (!write_all(file.fd, bytes) || fsync(file.fd) != 0) {
    created = system_error("cannot write the key file", draft);
  } else if (link(draft.c_str(), path.c_str()) != 0) {
    created = errno == EEXIST ? make_error(Code::kConflict,
                                           "the key file " + path + " must not exist, but it does")
                              : system_error("cannot create the key file", path);
  }
  unlink(draft.c_str());
  if (!created) return created;
  const Descriptor folder(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.fd < 0 || fsync(folder.fd) != 0) {
    return system_error("cannot sync the folder of the key file", path);
  }
  return {};
}

Owned<EVP_PKEY> raw_public_key(const Ed25519PublicKey& key) {
  return Owned<EVP_PKEY>(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.bytes.data(), key.bytes.size()));
}

}  // namespace

Ed25519PrivateKey Ed25519PrivateKey::generate() {
  EVP_PKEY* key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  must(key != nullptr);
  return Ed25519PrivateKey(std::shared_ptr<EVP_PKEY>(key, FreeOpenSsl()));
}

Result<Ed25519PrivateKey> Ed25519PrivateKey::load(const std::string& path) {
  Secret pem;
  if (Result<void> read = read_key_file(path, pem.bytes); !read) return read.error();
  const Owned<BIO> bio(BIO_new_mem_buf(pem.bytes.data(), static_cast<int>(pem.bytes.size())));
  must(bio != nullptr);
  Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr));
  ERR_clear_error();  // the next user of this thread's OpenSSL would take it for its own
  if (key == nullptr || EVP_PKEY_is_a(key.get(), "ED25519") != 1) {
    return make_error(
        Code::kInvalidRequest,
        "the key file " + path + " must hold an unencrypted Ed25519 private key in PEM (PKCS #8)");
  }
  return Ed25519PrivateKey(std::shared_ptr<EVP_PKEY>(key.release(), FreeOpenSsl()));
}

Result<void> Ed25519PrivateKey::save(const std::string& path) const {
  const Owned<BIO> bio(BIO_new(BIO_s_secmem()));
  must(bio != nullptr && PEM_write_bio_PKCS8PrivateKey(bio.get(), key_.get(), nullptr, nullptr, 0,
                                                       nullptr, nullptr) == 1);
  char* pem = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &pem);
  return create_key_file(path, {pem, static_cast<std::size_t>(size)});
}

Ed25519PublicKey Ed25519PrivateKey::public_key() const {
  Ed25519PublicKey key;
  std::size_t size = key.bytes.size();
  must(EVP_PKEY_get_raw_public_key(key_.get(), key.bytes.data(), &size) == 1 &&
       size == key.bytes.size());
  return key;
}

Ed25519Signature Ed25519PrivateKey::sign(std::string_view message) const {
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  Ed25519Signature signature{};
  std::size_t size = signature.size();
  must(context != nullptr &&
       EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) == 1 &&
       EVP_DigestSign(context.get(), signature.data(), &size, data_of(message), message.size()) ==
           1 &&
       size == signature.size());
  return signature;
}

bool verify(const Ed25519PublicKey& key, std::string_view message, std::string_view signature) {
  const Owned<EVP_PKEY> parsed = raw_public_key(key);
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  must(parsed != nullptr && context != nullptr);
  const bool valid =
      signature.size() == Ed25519Signature().size() &&
      EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, parsed.get()) == 1 &&
      EVP_DigestVerify(context.get(), data_of(signature), signature.size(), data_of(message),
                       message.size()) == 1;
  ERR_clear_error();
  return valid;
}

std::string to_pem(const Ed25519PublicKey& key) {
  const Owned<EVP_PKEY> parsed = raw_public_key(key);
  const Owned<BIO> bio(BIO_new(BIO_s_mem()));
  must(parsed != nullptr && bio != nullptr && PEM_write_bio_PUBKEY(bio.get(), parsed.get()) == 1);
  char* pem = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &pem);
  return {pem, static_cast<std::size_t>(size)};
}

Result<Ed25519PublicKey> parse_public_key(std::string_view pem) {
  const Error error = make_error(Code::kInvalidRequest, "must be an Ed25519 public key in PEM");
  if (pem.size() > kMaxFile) return error;
  const Owned<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  // No memory BIO is made of nothing.
  const Owned<EVP_PKEY> parsed(
      bio == nullptr ? nullptr : PEM_read_bio_PUBKEY(bio.get(), nullptr, no_password, nullptr));
  ERR_clear_error();
  Ed25519PublicKey key;
  std::size_t size = key.bytes.size();
  if (parsed == nullptr || EVP_PKEY_is_a(parsed.get(), "ED25519") != 1 ||
      EVP_PKEY_get_raw_public_key(parsed.get(), key.bytes.data(), &size) != 1) {
    return error;
  }
  return key;
}

}  // namespace oa::crypto
