#include "runtime-pod/transfer/check.h"

#include <fstream>
#include <sstream>

#include "runtime-pod/storage/schema.h"
#include "runtime-pod/transfer/import.h"

namespace oa::runtime {
namespace {

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  if (!file || !(text << file.rdbuf())) {
    return make_error(Code::kInvalidRequest, "cannot read the file " + path);
  }
  return std::move(text).str();
}

Result<VerifiedLog> check(const std::string& path, const std::string& key_file) {
  const auto bytes = read_file(path);
  if (!bytes) return bytes.error();
  const auto archive = open_archive(*bytes, migrations().back().schema);
  if (!archive) return archive.error();
  if (key_file.empty()) return archive->log;
  const auto pem = read_file(key_file);
  if (!pem) return pem.error();
  const auto key = crypto::parse_public_key(*pem);
  if (!key) return key.error();
  const std::string name = to_string(archive->manifest.row.id);
  auto good = verify_anchor(*key, name, archive->manifest.audit_head);
  if (!good) return good.error();
  return archive->log;
}

}  // namespace

bool verify_archive(const std::string& path, const std::string& key_file, std::ostream& out) {
  const auto log = check(path, key_file);
  out << (log ? to_text(*log) : "broken: " + log.error().detail) << '\n';
  return static_cast<bool>(log);
}

}  // namespace oa::runtime
