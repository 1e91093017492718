#include "runtime-pod/verbs/transfer.h"

#include <utility>

#include "libs/obs/build_info.h"
#include "runtime-pod/storage/schema.h"
#include "runtime-pod/storage/store.h"
#include "runtime-pod/transfer/import.h"

namespace oa::runtime {
namespace {

using ImportDone = std::function<void(Result<Imported>)>;

Result<std::shared_ptr<const Exported>> copy_agent(const Services& services, const AgentId& agent) {
  auto snapshot = Snapshot::open(database_path(services.data_dir));
  if (!snapshot) return snapshot.error();
  const ExportSource source{.directory = services.data_dir,
                            .runtime = std::string(obs::kBuildInfo.version),
                            .schema = migrations().back().schema,
                            .epoch = services.epoch,
                            .key = *services.signing_key};
  auto exported = export_agent(*snapshot, agent, source, services.clock.now());
  if (!exported) return exported.error();
  return std::shared_ptr<const Exported>(std::make_shared<Exported>(std::move(*exported)));
}

void restore(const Services& services, Result<AgentRestore> restore, const ImportDone& done) {
  if (!restore) return done(restore.error());
  const std::size_t rows = restore->items.size();
  services.host.restore(std::move(*restore), [done, rows](const Result<AgentRow>& row) {
    if (!row) return done(row.error());
    done(Imported{row->id, row->uid, rows});
  });
}

void merge(const Services& services, const AgentId& agent, std::vector<ItemWrite> items,
           const ImportDone& done) {
  const std::size_t rows = items.size();
  auto writes = std::make_shared<std::vector<ItemWrite>>(std::move(items));
  find_agent(
      services, agent, [&services, writes, rows, done](Result<std::shared_ptr<Actor>> found) {
        if (!found) return done(found.error());
        const Imported imported{(*found)->id(), (*found)->uid(), rows};
        if (rows == 0) return done(imported);
        const Time now = services.clock.now();
        Delivery delivery{.agent = (*found)->id(),
                          .kind = QueueItem::Kind::kWrite,
                          .trigger = {TriggerType::kManual, {}},
                          .patience = services.run_timeout};
        delivery.trigger.envelope.id = services.ids.uuid(now);
        delivery.trigger.envelope.source = "import";
        delivery.trigger.envelope.time = now;
        for (const ItemWrite& write : *writes) delivery.bytes += write.value->size();
        delivery.items = std::move(*writes);
        services.host.deliver(std::move(delivery), [imported, done](Result<TickReport> report) {
          if (!report) return done(report.error());
          done(imported);
        });
      });
}

}  // namespace

void make_export(const Services& services, const AgentId& agent,
                 std::function<void(Result<std::shared_ptr<const Exported>>)> done) {
  find_agent(services, agent, [&services, agent, done](Result<std::shared_ptr<Actor>> found) {
    if (!found) return done(found.error());
    if (services.exporting->exchange(true)) {
      return done(make_error(Code::kRateLimited, "ExportUnderWay",
                             "one export is made at a time, and another one is under way"));
    }
    services.scheduler.post([&services, agent, done] {
      auto exported = copy_agent(services, agent);
      services.exporting->store(false);
      done(std::move(exported));
    });
  });
}

void import_archive(const Services& services, const AgentId& agent, ImportMode mode,
                    std::string archive, ImportDone done) {
  if (auto open = services.gate.check(); !open) return done(open.error());
  auto id = make_agent_id(agent.namespace_name, agent.name);
  if (!id) return done(id.error());
  auto bytes = std::make_shared<const std::string>(std::move(archive));
  services.scheduler.post([&services, agent = *id, mode, bytes, done = std::move(done)] {
    auto opened = open_archive(*bytes, migrations().back().schema);
    if (!opened) return done(opened.error());
    if (mode == ImportMode::kMerge) {
      return merge(services, agent, plan_merge(std::move(*opened)), done);
    }
    if (mode == ImportMode::kRestore) {
      return restore(services, plan_restore(std::move(*opened), agent), done);
    }
    const Time now = services.clock.now();
    restore(services, plan_clone(std::move(*opened), agent, services.ids.uuid(now), now), done);
  });
}

}  // namespace oa::runtime
