// Whether an export is whole, without a runtime: `agent-runtime verify --file`.
//
// Thread-safety: can be called from any thread. Reads the disk, so not on an I/O thread.
#pragma once

#include <ostream>
#include <string>

namespace oa::runtime {

// Prints a line. True: the archive can be imported, and its audit log is whole and signed: with the
// public key in `key_file` where one is given, else with the key that the archive itself names.
bool verify_archive(const std::string& path, const std::string& key_file, std::ostream& out);

}  // namespace oa::runtime
