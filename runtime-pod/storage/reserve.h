// A file that does nothing but take room, so that there is some to give up when the disk is full.
//
// Thread-safety: none; belongs to one thread.
#pragma once

#include <cstdint>
#include <string>

namespace oa::runtime {

inline constexpr std::int64_t kReserveBytes = 32 * 1024 * 1024;

class Reserve {
 public:
  // The file is `reserve` in `directory`; it may be there already.
  explicit Reserve(const std::string& directory, std::int64_t bytes = kReserveBytes);

  // Makes the file unless it is there, where the disk has room for it and does not count as full
  // afterwards (space.h).
  void make();

  // Deletes the file. False: there was none.
  bool release();

 private:
  const std::string directory_;
  const std::string path_;
  const std::int64_t bytes_;
};

}  // namespace oa::runtime
