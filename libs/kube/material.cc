#include "libs/kube/material.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <openssl/evp.h>

namespace oa::kube {
namespace {

constexpr std::size_t kMaxFile = 8 << 20;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

Result<std::string> read_file(const std::string& path) {
  std::error_code ignored;
  std::ifstream file;
  if (!std::filesystem::is_directory(path, ignored)) file.open(path, std::ios::binary);
  std::ostringstream text;
  if (!file.is_open()) return make_error(Code::kNotFound, path + " cannot be read");
  text << file.rdbuf();  // fails on an empty file, which is no error here
  if (file.bad()) return make_error(Code::kNotFound, path + " cannot be read");
  if (text.view().size() > kMaxFile) {
    return make_error(Code::kInvalidRequest, path + " must be at most 8 MiB");
  }
  return text.str();
}

std::string base64_encode(std::string_view bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), bytes_of(bytes),
                                   static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

Result<std::string> base64_decode(std::string_view text) {
  std::string compact;
  for (const char c : text) {
    if (c != '\n' && c != '\r' && c != ' ' && c != '\t') compact += c;
  }
  std::string out(compact.size() / 4 * 3 + 3, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()), bytes_of(compact),
                                   static_cast<int>(compact.size()));
  // EVP_DecodeBlock takes padding anywhere, and counts it as bytes.
  const std::size_t padding = compact.ends_with("==") ? 2 : compact.ends_with("=") ? 1 : 0;
  if (size < 0 || compact.size() % 4 != 0 || compact.find('=') < compact.size() - padding) {
    return make_error(Code::kInvalidRequest, "must be base64");
  }
  out.resize(static_cast<std::size_t>(size) - padding);
  return out;
}

}  // namespace oa::kube
