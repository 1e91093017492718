// The container of an export: a tar file (POSIX ustar) of a few plain files, the last of which,
// digest.txt, has the SHA-256 of every byte before its own header. Any `tar` can unpack it.
//
// Thread-safety: none. The writer waits for the disk, so not on an I/O thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/result.h"
#include "libs/crypto/digest.h"

namespace oa::runtime {

// A file that has no name in its directory, and so is gone with its last owner, whatever happens.
class NamelessFile {
 public:
  static Result<NamelessFile> make(const std::string& directory);
  NamelessFile(NamelessFile&& other) noexcept;
  ~NamelessFile();

  Result<void> write_at(std::int64_t offset, std::string_view bytes);
  // At most `most` bytes; none behind the end.
  Result<std::string> read_at(std::int64_t offset, std::size_t most) const;

 private:
  explicit NamelessFile(int descriptor) : descriptor_(descriptor) {}
  int descriptor_ = -1;
};

// Writes one member after the other. An error stands: what follows gives the same.
class ArchiveWriter {
 public:
  ArchiveWriter(NamelessFile& file, Time now) : file_(file), now_(now) {}

  // Ends the member before. `name`: at most 100 bytes.
  void begin(std::string name);
  void add(std::string_view bytes);
  // The digest and the end; how many bytes there are.
  Result<std::int64_t> finish();

 private:
  void end_member();
  void put(std::string_view bytes);
  void flush();
  Result<crypto::Digest> digest();

  NamelessFile& file_;
  const Time now_;
  Result<void> done_;
  std::string buffer_;
  std::int64_t flushed_ = 0;
  std::string name_;               // of the member that is being written; empty: none
  std::int64_t member_start_ = 0;  // of its header
};

struct ArchiveMember {
  std::string name;
  std::string_view content;  // of the archive's bytes
};

// Its members without the digest, which must be right. INVALID_REQUEST, reason ArchiveDamaged,
// otherwise.
Result<std::vector<ArchiveMember>> read_archive(std::string_view bytes);

}  // namespace oa::runtime
