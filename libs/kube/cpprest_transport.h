// The Transport on cpprestsdk: HTTP/1.1 over TLS, kept connections, one connection per open stream.
//
// cpprestsdk runs its sockets on one thread pool of the process; the first transport sets it to two
// threads, before which no other code may have used cpprestsdk. No call of this class returns to
// the caller before the tasks that refer to its arguments are done, so everything can be destroyed
// in any order.
//
// Thread-safety: can be used from any thread.
#pragma once

#include <memory>

#include "libs/kube/config.h"
#include "libs/kube/transport.h"

namespace oa::kube {

// INVALID_REQUEST for a URL that does not parse, or TLS material that cannot be read.
Result<std::unique_ptr<Transport>> make_cpprest_transport(const ClusterInfo& cluster);

}  // namespace oa::kube
