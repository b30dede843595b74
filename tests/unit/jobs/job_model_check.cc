// What JobModelRun looks at after each action, and at the end.

#include <algorithm>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include <gtest/gtest.h>

#include "server/jobs/convert.h"
#include "tests/unit/jobs/job_model_run.h"

namespace sluice {
namespace {

// The state that is stored of a job which is seen in this one: that it runs need not be.
v1::JobState StoredStateOf(const ModelJob& job) {
  switch (job.state) {
    case v1::JOB_STATE_RUNNING:
    case v1::JOB_STATE_WAITING:
      return v1::JOB_STATE_QUEUED;
    case v1::JOB_STATE_PAUSING:
      return job.resumed_while_pausing ? v1::JOB_STATE_QUEUED : v1::JOB_STATE_PAUSING;
    default:
      return job.state;
  }
}

v1::JobState WithoutRun(v1::JobState stored) {
  return stored == v1::JOB_STATE_RUNNING ? v1::JOB_STATE_QUEUED : stored;
}

std::string BytesOf(const EventRecord& record) {
  v1::JobEvent event;
  EXPECT_TRUE(ToJobEvent(record, event).ok());
  return event.SerializeAsString();
}

}  // namespace

void JobModelRun::Check() {
  if (testing::Test::HasFailure()) return;  // The first failure says it all.
  for (std::size_t i = 0; i < model_.jobs().size(); ++i) {
    if (!model_.jobs()[i].deleted) CheckJob(i);
  }
  EXPECT_EQ(model_.BrokenBound(), "");
  CheckWatchers();
}

void JobModelRun::CheckJob(std::size_t index) {
  ModelJob& job = model_.jobs()[index];
  const StrictCatalog& catalog = rig_.catalog();
  const v1::JobState stored = WithoutRun(catalog.stored_state(job.id));
  const std::shared_ptr<Job> object = objects_[index].lock();
  const v1::JobState state = object ? object->state() : stored;
  const v1::JobState before = job.state;
  EXPECT_TRUE(model_.Observe(job, state, catalog.failures(job.id)))
      << "job " << index << " went from " << v1::JobState_Name(before) << " to "
      << v1::JobState_Name(state);
  if (!catalog.is_unstored(job.id)) {
    EXPECT_EQ(stored, StoredStateOf(job)) << "job " << index << " shows what is not stored";
  }
  EXPECT_TRUE(object || job.ended() || job.state == v1::JOB_STATE_PAUSED)
      << "job " << index << " is to run, and nobody holds it";
  if (job.ended() && job.end_time_ns == 0) job.end_time_ns = rig_.catalog().end_time_ns(job.id);
}

void JobModelRun::CheckWatchers() {
  for (auto watcher = watchers_.begin(); watcher != watchers_.end();) {
    ModelWatcher& watching = **watcher;
    const bool ended = watching.Harvest(
        [&](const v1::EventBatch& batch) { CheckBatch(watching.job(), watching.next(), batch); });
    if (ended) CheckEnd(watching);
    watcher = ended ? watchers_.erase(watcher) : watcher + 1;
  }
}

// Every stream gets the events that were stored, in the place they were stored at.
void JobModelRun::CheckBatch(std::size_t job, std::uint64_t next, const v1::EventBatch& batch) {
  const std::vector<EventRecord>& log = rig_.catalog().log(model_.jobs()[job].id);
  for (const v1::JobEvent& event : batch.events()) {
    ASSERT_EQ(event.sequence(), next) << "job " << job;
    ASSERT_LE(next, log.size()) << "job " << job << ": an event that is not stored";
    EXPECT_EQ(event.SerializeAsString(), BytesOf(log[next - 1])) << "job " << job;
    ++next;
  }
  EXPECT_EQ(batch.next_sequence(), next) << "job " << job;
}

void JobModelRun::CheckEnd(const ModelWatcher& watcher) {
  const ModelJob& job = model_.jobs()[watcher.job()];
  const std::uint64_t last = rig_.catalog().log(job.id).size();
  switch (watcher.outcome().code()) {
    case Code::kOk:
      EXPECT_TRUE(job.ended());
      EXPECT_EQ(watcher.next(), last + 1);
      break;
    case Code::kNotFound:
      EXPECT_TRUE(job.deleted);
      break;
    case Code::kOutOfRange:
      EXPECT_TRUE(job.expired || (job.ended() && watcher.next() > last + 1));
      break;
    case Code::kUnavailable:
      EXPECT_TRUE(model_.draining());
      break;
    case Code::kCancelled:
      EXPECT_TRUE(watcher.stopped());
      break;
    default:
      ADD_FAILURE() << "a stream ended with " << watcher.outcome();
  }
}

// However often it was interrupted, a scan that has succeeded has recorded each file once.
void JobModelRun::CheckResults() {
  for (const ModelJob& job : model_.jobs()) {
    std::map<std::string, int> paths;
    for (const EventRecord& event : rig_.catalog().log(job.id)) {
      if (const auto* file = std::get_if<FileEntry>(&event.event)) ++paths[file->path];
    }
    for (const auto& [path, count] : paths) EXPECT_EQ(count, 1) << path;
    if (job.spec.has_scan() && job.state == v1::JOB_STATE_SUCCEEDED) {
      EXPECT_EQ(paths.size(), files_);
    }
  }
}

// With a store that works, the gate open, and a reader of everything, all jobs end, also those that
// were paused; then nothing holds them any more.
void JobModelRun::Finish() {
  Tell("finish");
  rig_.catalog().Heal();
  rig_.digester().Open();
  for (const auto& watcher : watchers_) watcher->Stop();
  RunUntilIdle();
  watchers_.clear();
  std::vector<std::size_t> unended;
  for (std::size_t i = 0; i < model_.jobs().size(); ++i) {
    AddWatcher(i, 1, ModelWatcher::Pace::kEager);
    Check();
    if (!model_.jobs()[i].ended()) unended.push_back(i);
  }
  constexpr std::size_t kRounds = 4 * 16;
  for (std::size_t round = 0; round < kRounds && !unended.empty(); ++round) {
    for (const std::size_t i : unended) {
      if (model_.jobs()[i].state == v1::JOB_STATE_PAUSED) ChangeJob(i, Call::kResume);
    }
    rig_.clock().Advance(std::chrono::milliseconds(60));
    RunUntilIdle();
    std::erase_if(unended, [&](std::size_t i) { return model_.jobs()[i].ended(); });
  }
  for (const std::size_t i : unended) ADD_FAILURE() << "job " << i << " does not go on";
  rig_.clock().Advance(std::chrono::milliseconds(60));
  RunUntilIdle();
  EXPECT_TRUE(watchers_.empty()) << "a stream does not end with its job";
  for (const auto& object : objects_) EXPECT_TRUE(object.expired()) << "an object is left";
  CheckResults();
}

}  // namespace sluice
