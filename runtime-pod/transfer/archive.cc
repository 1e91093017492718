#include "runtime-pod/transfer/archive.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <utility>

#include "libs/crypto/encoding.h"

namespace oa::runtime {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kBuffer = 256 * 1024;
constexpr std::size_t kMaxMembers = 64;
constexpr std::int64_t kMaxMemberBytes = 077777777777;  // 11 octal digits
constexpr std::string_view kDigestName = "digest.txt";
constexpr std::string_view kDigestPrefix = "sha256 ";

using Header = std::array<char, kBlock>;

// Where the fields of a header are that are read again.
constexpr std::size_t kNameSize = 100;
constexpr std::size_t kSizeAt = 124;
constexpr std::size_t kSizeSize = 12;
constexpr std::size_t kSumAt = 148;
constexpr std::size_t kSumSize = 8;

std::size_t padding(std::int64_t size) {
  return (kBlock - static_cast<std::size_t>(size) % kBlock) % kBlock;
}

unsigned checksum(Header header) {
  std::fill_n(header.begin() + kSumAt, kSumSize, ' ');
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  return sum;
}

std::string header_of(std::string_view name, std::int64_t size, Time time) {
  Header header{};
  const auto put = [&header](std::size_t at, std::string_view text) {
    std::copy(text.begin(), text.end(), header.begin() + static_cast<std::ptrdiff_t>(at));
  };
  const auto octal = [](std::int64_t number, int digits) {
    char text[24];
    std::snprintf(text, sizeof text, "%0*llo", digits, static_cast<unsigned long long>(number));
    return std::string(text);
  };
  put(0, name);
  put(100, "0000600");
  put(108, "0000000");
  put(116, "0000000");
  put(kSizeAt, octal(size, 11));
  put(136,
      octal(std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count(), 11));
  header[156] = '0';
  put(257, std::string_view("ustar\00000", 8));
  put(kSumAt, octal(checksum(header), 6) + std::string("\0 ", 2));
  return std::string(header.begin(), header.end());
}

Error damaged(const std::string& detail) {
  return make_error(Code::kInvalidRequest, "ArchiveDamaged", "the archive " + detail);
}

Error disk_error(const char* what) {
  const int code = errno;
  if (code == ENOSPC || code == EDQUOT) {
    return make_error(Code::kLimitExceeded, "StorageFull",
                      "there must be room on the disk for the archive");
  }
  return make_error(Code::kInternal,
                    std::string("cannot ") + what + " the archive: " + std::strerror(code));
}

// A field of octal digits, ended by a space or a zero byte; negative if it is none.
std::int64_t octal_in(std::string_view field) {
  field = field.substr(0, std::min(field.find_first_of(std::string_view(" \0", 2)), field.size()));
  std::int64_t number = 0;
  for (const char c : field) {
    if (c < '0' || c > '7') return -1;
    number = number * 8 + (c - '0');
  }
  return field.empty() ? -1 : number;
}

struct Found {
  ArchiveMember member;
  std::size_t start = 0;  // of its header
};

// The members of the file, in order, up to its end.
Result<std::vector<Found>> members_of(std::string_view bytes) {
  std::vector<Found> found;
  std::size_t at = 0;
  while (at + kBlock <= bytes.size()) {
    Header header;
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), kBlock, header.begin());
    if (std::all_of(header.begin(), header.end(), [](char c) { return c == '\0'; })) return found;
    const std::string_view text(header.data(), header.size());
    if (octal_in(text.substr(kSumAt, kSumSize)) != checksum(header)) {
      return damaged("must be a tar file: the header at byte " + std::to_string(at) +
                     " has a wrong checksum");
    }
    const std::int64_t size = octal_in(text.substr(kSizeAt, kSizeSize));
    const std::size_t start = at;
    at += kBlock;
    if (size < 0 || static_cast<std::size_t>(size) > bytes.size() - at) {
      return damaged("ends before its member at byte " + std::to_string(start) + " does");
    }
    if (found.size() == kMaxMembers) return damaged("has too many members");
    const std::string_view name = text.substr(0, kNameSize);
    found.push_back({{std::string(name.substr(0, std::min(name.find('\0'), name.size()))),
                      bytes.substr(at, static_cast<std::size_t>(size))},
                     start});
    at += std::min(static_cast<std::size_t>(size) + padding(size), bytes.size() - at);
  }
  return damaged("is cut off: it must end with an empty block");
}

}  // namespace

Result<NamelessFile> NamelessFile::make(const std::string& directory) {
  std::string path = directory + "/archive-XXXXXX";
  const int descriptor = mkostemp(path.data(), O_CLOEXEC);  // mode 0600
  if (descriptor < 0) return disk_error("make");
  unlink(path.c_str());
  return NamelessFile(descriptor);
}

NamelessFile::NamelessFile(NamelessFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)) {}

NamelessFile::~NamelessFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

Result<void> NamelessFile::write_at(std::int64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = pwrite(descriptor_, bytes.data(), bytes.size(), offset);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return disk_error("write");
    bytes.remove_prefix(static_cast<std::size_t>(written));
    offset += written;
  }
  return {};
}

Result<std::string> NamelessFile::read_at(std::int64_t offset, std::size_t most) const {
  std::string bytes(most, '\0');
  for (;;) {
    const ssize_t count = pread(descriptor_, bytes.data(), bytes.size(), offset);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return disk_error("read");
    bytes.resize(static_cast<std::size_t>(count));
    return bytes;
  }
}

void ArchiveWriter::begin(std::string name) {
  end_member();
  member_start_ = flushed_ + static_cast<std::int64_t>(buffer_.size());
  name_ = std::move(name);
  put(std::string(kBlock, '\0'));  // filled in at the member's end
}

void ArchiveWriter::add(std::string_view bytes) { put(bytes); }

void ArchiveWriter::put(std::string_view bytes) {
  buffer_ += bytes;
  if (buffer_.size() >= kBuffer) flush();
}

void ArchiveWriter::flush() {
  if (done_) done_ = file_.write_at(flushed_, buffer_);
  flushed_ += static_cast<std::int64_t>(buffer_.size());
  buffer_.clear();
}

void ArchiveWriter::end_member() {
  if (name_.empty()) return;
  const std::int64_t end = flushed_ + static_cast<std::int64_t>(buffer_.size());
  const std::int64_t size = end - member_start_ - static_cast<std::int64_t>(kBlock);
  put(std::string(padding(size), '\0'));
  flush();
  if (done_ && size > kMaxMemberBytes) {
    done_ = make_error(Code::kLimitExceeded, name_ + " must have at most 8 GiB to be exported");
  }
  if (done_) done_ = file_.write_at(member_start_, header_of(name_, size, now_));
  name_.clear();
}

Result<crypto::Digest> ArchiveWriter::digest() {
  crypto::Sha256 hash;
  for (std::int64_t at = 0; at < flushed_;) {
    const auto bytes = file_.read_at(at, kBuffer);
    if (!bytes) return bytes.error();
    if (bytes->empty()) return disk_error("read");
    hash.add(*bytes);
    at += static_cast<std::int64_t>(bytes->size());
  }
  return hash.finish();
}

Result<std::int64_t> ArchiveWriter::finish() {
  end_member();
  if (!done_) return done_.error();
  const auto hash = digest();
  if (!hash) return hash.error();
  begin(std::string(kDigestName));
  add(std::string(kDigestPrefix) + crypto::hex_encode(crypto::bytes_of(*hash)) + "\n");
  end_member();
  put(std::string(2 * kBlock, '\0'));
  flush();
  if (!done_) return done_.error();
  return flushed_;
}

Result<std::vector<ArchiveMember>> read_archive(std::string_view bytes) {
  auto found = members_of(bytes);
  if (!found) return found.error();
  if (found->empty() || found->back().member.name != kDigestName) {
    return damaged("must end with " + std::string(kDigestName));
  }
  const Found last = std::move(found->back());
  found->pop_back();
  const auto hash = crypto::sha256(bytes.substr(0, last.start));
  const std::string expected =
      std::string(kDigestPrefix) + crypto::hex_encode(crypto::bytes_of(hash)) + "\n";
  if (last.member.content != expected) return damaged("must have the digest that it says");
  std::vector<ArchiveMember> members;
  for (Found& each : *found) members.push_back(std::move(each.member));
  return members;
}

}  // namespace oa::runtime
