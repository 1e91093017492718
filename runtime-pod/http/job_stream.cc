#include "runtime-pod/http/job_stream.h"

#include <memory>
#include <mutex>
#include <utility>

#include "libs/crypto/digest.h"
#include "libs/crypto/encoding.h"
#include "runtime-pod/agent/jobs.h"
#include "runtime-pod/http/event_stream.h"
#include "runtime-pod/verbs/jobs.h"

namespace oa::runtime {
namespace {

std::string id_of(const std::string& document) {
  return crypto::hex_encode(crypto::bytes_of(crypto::sha256(document))).substr(0, 16);
}

class JobStream : public std::enable_shared_from_this<JobStream> {
 public:
  JobStream(CallPtr call, std::string id)
      : call_(std::move(call)), id_(std::move(id)), shown_(call_->header("Last-Event-ID")) {}

  void start(AgentKey agent) {
    stream_ = EventStream::open(call_);
    // The stream keeps this, and this is told no more once that is over.
    stream_->on_closed([self = shared_from_this()] { self->unsubscribe(); });
    auto subscription =
        call_->services.watchers.subscribe(agent, [weak = weak_from_this()](const StreamEvent&) {
          if (const auto self = weak.lock()) self->look();
        });
    {
      const std::lock_guard lock(mutex_);
      subscription_ = std::move(subscription);
    }
    look();
  }

 private:
  // One look at a time; what happens meanwhile asks for another.
  void look() {
    {
      const std::lock_guard lock(mutex_);
      is_stale_ = true;
      if (is_looking_ || is_over_) return;
      is_looking_ = true;
      is_stale_ = false;
    }
    get_job(call_->services, call_->agent, id_,
            [self = shared_from_this()](const Result<JobRow>& job) { self->show(job); });
  }

  void show(const Result<JobRow>& job) {
    const bool is_over = !job || is_finished(job->status);
    if (job) {
      const std::string document =
          job_document(*job).dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
      const std::string id = id_of(document);
      if (id != shown_ || is_over) stream_->send({id, is_over ? "done" : "job", document});
      shown_ = id;
    }
    if (is_over) {
      unsubscribe();
      return stream_->end();
    }
    bool again = false;
    {
      const std::lock_guard lock(mutex_);
      is_looking_ = false;
      again = is_stale_;
    }
    if (again) look();
  }

  void unsubscribe() {
    Watchers::Subscription ends;
    const std::lock_guard lock(mutex_);
    is_over_ = true;
    ends = std::move(subscription_);
  }

  const CallPtr call_;
  const std::string id_;
  std::shared_ptr<EventStream> stream_;
  std::string shown_;  // of the one look at a time
  std::mutex mutex_;
  Watchers::Subscription subscription_;  // by mutex_, as all below
  bool is_looking_ = false;
  bool is_stale_ = false;
  bool is_over_ = false;
};

}  // namespace

void stream_job(const CallPtr& call, AgentKey agent, const std::string& id) {
  std::make_shared<JobStream>(call, id)->start(agent);
}

}  // namespace oa::runtime
