#include "runtime-pod/verbs/transfer.h"

#include <optional>
#include <utility>

#include "core/json.h"
#include "core/text.h"
#include "libs/net/stream.h"
#include "runtime-pod/http/links.h"
#include "runtime-pod/http/verbs.h"

namespace oa::runtime {
namespace {

constexpr std::size_t kChunk = 256 * 1024;

// A file on its way to the client, a chunk at a time as the client takes them.
struct Download {
  std::shared_ptr<const Exported> exported;
  std::shared_ptr<net::BodyWriter> writer;
  Scheduler& scheduler;
  std::int64_t at = 0;
};

void send_next(const std::shared_ptr<Download>& download) {
  download->scheduler.post([download] {
    auto chunk = download->exported->file.read_at(download->at, kChunk);
    // Without its end the client sees that the file is not whole.
    if (!chunk) return;
    download->at += static_cast<std::int64_t>(chunk->size());
    if (chunk->empty()) return download->writer->end();
    if (!download->writer->write(std::move(*chunk))) return;
    download->writer->on_drained([download] { send_next(download); });
  });
}

std::optional<ImportMode> mode_of(std::string_view text) {
  if (text == "restore") return ImportMode::kRestore;
  if (text == "clone") return ImportMode::kClone;
  if (text == "merge") return ImportMode::kMerge;
  return std::nullopt;
}

net::Response import_response(const Call& call, ImportMode mode, const Imported& imported) {
  const OrderedJson body{{"namespace", imported.agent.namespace_name},
                         {"name", imported.agent.name},
                         {"uid", imported.uid},
                         {"rows", imported.rows}};
  if (mode == ImportMode::kMerge) return net::json_response(200, body.dump());
  net::Response response = net::json_response(201, body.dump());
  response.headers.add("Location", agent_link(call, {}));
  return response;
}

}  // namespace

void get_export(const CallPtr& call) {
  make_export(
      call->services, call->agent, [call](const Result<std::shared_ptr<const Exported>>& exported) {
        if (!exported) return call->fail(exported.error());
        net::Response response;
        response.headers.add("Content-Type", "application/x-tar");
        response.headers.add("Content-Disposition", "attachment; filename=\"" +
                                                        call->agent.namespace_name + "." +
                                                        call->agent.name + ".tar\"");
        response.stream = [exported = *exported, &scheduler = call->services.scheduler](
                              std::shared_ptr<net::BodyWriter> writer) {
          send_next(std::make_shared<Download>(Download{exported, std::move(writer), scheduler}));
        };
        call->answer(std::move(response));
      });
}

void post_import(const CallPtr& call) {
  const std::string text(call->target.query_value("mode").value_or(""));
  const auto mode = mode_of(text);
  if (!mode) {
    return call->fail(
        invalid_fields({{"query.mode", shorten(text, 64), "be restore, clone or merge"}}));
  }
  import_archive(call->services, call->agent, *mode, std::move(call->request.body),
                 [call, mode = *mode](const Result<Imported>& imported) {
                   if (!imported) return call->fail(imported.error());
                   call->uid = imported->uid;
                   call->answer(import_response(*call, mode, *imported));
                 });
}

}  // namespace oa::runtime
