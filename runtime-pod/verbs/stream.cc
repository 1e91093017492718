#include "runtime-pod/verbs/stream.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "runtime-pod/agent/feed_cursor.h"

namespace oa::runtime {
namespace {

constexpr int kPageRecords = 1000;

Error deleted(const AgentId& id) {
  return make_error(Code::kNotFound, "agent " + to_string(id) + " was deleted");
}

class WatchedStream : public AgentStream, public std::enable_shared_from_this<WatchedStream> {
 public:
  WatchedStream(const Services& services, AgentKey agent) : services_(services), agent_(agent) {}

  void subscribe();
  // The head is that of a moment after `subscribe`, so that nothing falls between the two.
  void start(const StreamRequest& request, const AgentHead& head);

  void next(std::function<void(StreamPart)> told) override;
  void stop() override;

 private:
  void happened(const StreamEvent& event);
  void look();
  void read(std::int64_t after);

  const Services& services_;
  const AgentKey agent_;

  std::mutex mutex_;
  std::optional<FeedCursor> cursor_;      // by mutex_, as all below; nothing: not started
  std::vector<StreamEvent> early_;        // what happened before the start
  std::function<void(StreamPart)> told_;  // empty: nobody asks
  bool is_looking_ = false;               // a worker is, or will be, looking for the next part
  bool is_over_ = false;
  Watchers::Subscription subscription_;
};

void WatchedStream::subscribe() {
  auto subscription =
      services_.watchers.subscribe(agent_, [weak = weak_from_this()](const StreamEvent& event) {
        if (const auto self = weak.lock()) self->happened(event);
      });
  const std::lock_guard lock(mutex_);
  subscription_ = std::move(subscription);
}

void WatchedStream::start(const StreamRequest& request, const AgentHead& head) {
  const std::int64_t newest = std::max(head.log, head.event);
  const std::lock_guard lock(mutex_);
  cursor_ = request.after        ? FeedCursor::behind_event(*request.after, newest)
            : request.from_start ? FeedCursor::at_start()
                                 : FeedCursor::behind_record(newest);
  for (const StreamEvent& event : early_) cursor_->happened(event);
  early_.clear();
}

// On the publisher's thread, which has better things to do than to format.
void WatchedStream::happened(const StreamEvent& event) {
  const std::lock_guard lock(mutex_);
  if (event.name == kAgentDeleted) is_over_ = true;
  if (!cursor_) {
    early_.push_back(event);
    return;
  }
  cursor_->happened(event);
  if (!told_ || is_looking_) return;
  is_looking_ = true;
  services_.scheduler.post([self = shared_from_this()] { self->look(); });
}

void WatchedStream::next(std::function<void(StreamPart)> told) {
  const std::lock_guard lock(mutex_);
  told_ = std::move(told);
  if (is_looking_) return;
  is_looking_ = true;
  services_.scheduler.post([self = shared_from_this()] { self->look(); });
}

void WatchedStream::stop() {
  std::function<void(StreamPart)> told;
  Watchers::Subscription subscription;
  const std::lock_guard lock(mutex_);
  told.swap(told_);
  std::swap(subscription, subscription_);
}

void WatchedStream::look() {
  std::function<void(StreamPart)> told;
  StreamPart part;
  {
    std::unique_lock lock(mutex_);
    // A deleted agent has no log: what it did last is what waits.
    if (told_ && cursor_->is_behind() && !is_over_) {
      const std::int64_t after = cursor_->begin_read();
      lock.unlock();
      return read(after);
    }
    is_looking_ = false;
    if (!told_) return;
    part = {{}, cursor_->take(), is_over_};
    if (part.events.empty() && !part.is_over) return;
    told.swap(told_);
  }
  told(std::move(part));
}

void WatchedStream::read(std::int64_t after) {
  auto feed = services_.reader.read_feed(agent_, after, kPageRecords);
  std::function<void(StreamPart)> told;
  StreamPart part;
  {
    const std::lock_guard lock(mutex_);
    if (feed) {
      FeedCursor::Shown shown = cursor_->end_read(*feed);
      part = {shown.gap, std::move(shown.events), false};
    } else {
      part.is_over = true;
    }
    if (!told_) {
      is_looking_ = false;
      return;
    }
    if (part.gap || !part.events.empty() || part.is_over) {
      is_looking_ = false;
      told.swap(told_);
    }
  }
  if (told) return told(std::move(part));
  services_.scheduler.post([self = shared_from_this()] { self->look(); });
}

}  // namespace

void open_stream(const Services& services, const StreamRequest& request,
                 std::function<void(Result<std::shared_ptr<AgentStream>>)> opened) {
  find_agent(services, request.agent, [&services, request, opened = std::move(opened)](auto found) {
    if (!found) return opened(found.error());
    const AgentKey agent = (*found)->key();
    auto stream = std::make_shared<WatchedStream>(services, agent);
    stream->subscribe();
    // Once more: it may have been deleted before the subscription, which is then told
    // nothing.
    find_agent(services, request.agent, [request, opened, agent, stream](auto again) {
      if (!again) return opened(again.error());
      if ((*again)->key() != agent) return opened(deleted(request.agent));
      stream->start(request, (*again)->status().head);
      opened(std::shared_ptr<AgentStream>(stream));
    });
  });
}

}  // namespace oa::runtime
