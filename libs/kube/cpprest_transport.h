// The Transport on cpprestsdk: HTTP/1.1 over TLS, kept connections, one connection per open stream.
//
// cpprestsdk runs its sockets on a thread pool of the process, of one thread here: the first
// transport makes it, before which no other code may have used cpprestsdk. Destroying a transport
// cancels its streams.
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
