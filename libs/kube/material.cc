#include "libs/kube/material.h"

#include <filesystem>
#include <fstream>
#include <sstream>

namespace oa::kube {
namespace {

constexpr std::size_t kMaxFile = 8 << 20;

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

}  // namespace oa::kube
