// Names that more than one part of the product uses: API group, labels, annotations, headers,
// ports, paths. One spelling, here.
//
// Thread-safety: constants.
#pragma once

#include <cstddef>
#include <string_view>

namespace oa::wire {

inline constexpr std::string_view kGroup = "openagents.com";
inline constexpr std::string_view kVersion = "v1";
inline constexpr std::string_view kApiVersion = "openagents.com/v1";
inline constexpr std::string_view kKind = "Agent";
inline constexpr std::string_view kPlural = "agents";

// The name of an agent is the name of its StatefulSet and Service; 52 is what leaves room for the
// StatefulSet controller's revision hash in a 63-character label.
inline constexpr std::string_view kNamePattern = "^[a-z]([-a-z0-9]{0,50}[a-z0-9])?$";
inline constexpr std::string_view kNameMust =
    "be 1 to 52 lower-case letters, digits and '-', begin with a letter and end with a letter or "
    "digit";
// RFC 1123 label, as Kubernetes has for namespaces.
inline constexpr std::string_view kNamespacePattern = "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$";
inline constexpr std::string_view kNamespaceMust =
    "be 1 to 63 lower-case letters, digits and '-', and begin and end with a letter or digit";

inline constexpr std::string_view kLabelName = "app.kubernetes.io/name";
inline constexpr std::string_view kLabelManagedBy = "app.kubernetes.io/managed-by";
inline constexpr std::string_view kLabelAgent = "openagents.com/agent";

// Pod annotations that the runtime reads through a downward API volume.
inline constexpr std::string_view kAnnotationSpec = "openagents.com/spec";
// The hash of everything in the pod template; a pod with another one is of an older revision.
inline constexpr std::string_view kAnnotationRevision = "openagents.com/revision";

inline constexpr int kHttpPort = 8080;
inline constexpr int kMetricsPort = 9464;
inline constexpr std::string_view kDataDirectory = "/var/lib/openagents";
inline constexpr std::string_view kSecretsDirectory = "/etc/openagents/secrets";

inline constexpr std::string_view kHeaderTickId = "Agent-Tick-Id";
inline constexpr std::string_view kHeaderEnvelopeId = "Agent-Envelope-Id";
inline constexpr std::string_view kHeaderUid = "Agent-Uid";
inline constexpr std::string_view kHeaderEpoch = "Agent-Epoch";
// What a caller says about the envelope that it sends.
inline constexpr std::string_view kHeaderSender = "Agent-Sender";
inline constexpr std::string_view kHeaderSeq = "Agent-Seq";
inline constexpr std::string_view kHeaderExpiresAt = "Agent-Expires-At";
inline constexpr std::string_view kHeaderIdempotencyKey = "Idempotency-Key";
// On the answer: the agent, or somebody for it, asks that it be put to sleep.
inline constexpr std::string_view kHeaderHibernate = "Agent-Hibernate";

}  // namespace oa::wire
