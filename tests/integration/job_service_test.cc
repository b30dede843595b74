#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include <gtest/gtest.h>

#include "pipeline/stages/digest.h"
#include "tests/integration/server_rig.h"

namespace sluice {
namespace {

// The status that the stream ends with.
template <typename T>
absl::Status StatusOf(AsyncGenerator<T> stream) {
  try {
    PullAll(stream);
  } catch (const StatusError& error) {
    return error.status();
  }
  return absl::OkStatus();
}

TEST(JobService, ScanThenReconcileOverTheWire) {
  ServerRig rig;
  rig.WriteFiles(100);  // Pairs.
  auto scan = rig.client().Run(rig.ScanRequest());
  const std::vector<v1::EventBatch> batches = PullAll(scan);
  EXPECT_EQ(EventsOf(batches).size(), 101U);
  EXPECT_EQ(batches.back().end().state(), v1::JOB_STATE_SUCCEEDED);

  v1::RunJobRequest request;
  request.mutable_spec()->mutable_reconcile()->add_scans(batches.front().job().scan());
  auto plans = rig.client().Run(request);
  const std::vector<v1::JobEvent> events = EventsOf(PullAll(plans));
  EXPECT_EQ(std::ranges::count_if(events, [](const auto& event) { return event.has_plan(); }), 50);
}

TEST(JobService, ClientThatStopsReadingStopsTheDiskAndLosesNothing) {
  constexpr int kFiles = 12'000;
  constexpr std::uint32_t kWindow = 200;
  constexpr std::uint32_t kThreads = 2;
  ServerRig rig;
  rig.WriteFiles(kFiles);
  v1::RunJobRequest request = rig.ScanRequest(v1::DIGEST_POLICY_ALL);
  request.mutable_spec()->set_window(kWindow);
  request.mutable_spec()->mutable_scan()->set_read_threads(kThreads);
  request.mutable_options()->set_max_batch_events(10);
  auto stream = rig.client().Run(request);
  std::vector<v1::EventBatch> batches = {*PullOne(stream), *PullOne(stream)};

  const std::string name = batches.front().job().name();
  const v1::Job waiting = rig.AwaitState(name, v1::JOB_STATE_WAITING);
  // What passed flow control, the window, chunks in flight and one being filled: all far less than
  // the tree.
  const std::uint64_t in_transit = 6ULL * ServerRig::kReadAhead / 100;
  const std::uint64_t bound = 20 + in_transit + kWindow + (kThreads + 2) * kDigestChunkItems;
  EXPECT_LE(waiting.counters().stages(0).items(), bound);

  for (v1::EventBatch& batch : PullAll(stream)) batches.push_back(std::move(batch));
  std::uint64_t next = 1;
  std::set<std::string> paths;
  for (const v1::JobEvent& event : EventsOf(batches)) {
    ASSERT_EQ(event.sequence(), next++);
    if (event.has_file()) paths.insert(event.file().path());
  }
  EXPECT_EQ(paths.size(), static_cast<std::size_t>(kFiles));
}

TEST(JobService, JobIsCancelledWhenItsCallGoesAway) {
  ServerRig rig;
  rig.WriteFiles(500);
  v1::RunJobRequest request = rig.ScanRequest();
  request.mutable_spec()->set_window(16);
  std::optional stream = rig.client().Run(request);
  const std::string name = PullOne(*stream)->job().name();
  stream.reset();
  rig.AwaitState(name, v1::JOB_STATE_CANCELLED);
}

TEST(JobService, JobGoesOnWithoutItsCallWhenAskedTo) {
  ServerRig rig;
  rig.WriteFiles(500);
  v1::RunJobRequest request = rig.ScanRequest();
  request.mutable_spec()->set_pacing(v1::PACING_FREE_RUNNING);
  request.set_on_disconnect(v1::RunJobRequest::ON_DISCONNECT_CONTINUE);
  std::optional stream = rig.client().Run(request);
  const std::string name = PullOne(*stream)->job().name();
  stream.reset();
  EXPECT_EQ(rig.AwaitState(name, v1::JOB_STATE_SUCCEEDED).counters().items(), 500U);
}

TEST(JobService, WatchersGetTheSameBytesFromAnySequence) {
  ServerRig rig;
  rig.WriteFiles(700);
  auto run = rig.client().Run(rig.ScanRequest());
  const std::vector<v1::EventBatch> batches = PullAll(run);
  const std::vector<v1::JobEvent> all = EventsOf(batches);
  v1::WatchJobRequest request;
  request.set_name(batches.front().job().name());
  for (const std::uint64_t start : {0ULL, 1ULL, 650ULL, 701ULL}) {
    request.set_start_sequence(start);
    auto watch = rig.client().Watch(request);
    const std::vector<v1::JobEvent> seen = EventsOf(PullAll(watch));
    const std::size_t skipped = start == 0 ? 0 : start - 1;
    ASSERT_EQ(seen.size(), all.size() - skipped);
    for (std::size_t i = 0; i < seen.size(); ++i) {
      ASSERT_EQ(seen[i].SerializeAsString(), all[skipped + i].SerializeAsString());
    }
  }
  request.set_start_sequence(703);
  EXPECT_EQ(StatusOf(rig.client().Watch(request)).code(), absl::StatusCode::kOutOfRange);
}

TEST(JobService, StreamsBeyondTheLimitAreRefused) {
  ServerRig rig(Config{.max_streams = 1});
  rig.WriteFiles(100);
  v1::RunJobRequest request = rig.ScanRequest();
  request.mutable_spec()->set_window(4);
  auto first = rig.client().Run(request);
  const std::string name = PullOne(first)->job().name();
  v1::WatchJobRequest watch;
  watch.set_name(name);
  EXPECT_TRUE(absl::IsResourceExhausted(StatusOf(rig.client().Watch(watch))));
  PullAll(first);
}

TEST(JobService, StoppingTheServerEndsStreamsWithDrainingAndUnavailable) {
  ServerRig rig;
  rig.WriteFiles(500);
  v1::RunJobRequest request = rig.ScanRequest();
  request.mutable_spec()->set_window(4);
  request.mutable_options()->set_max_batch_events(1);
  auto stream = rig.client().Run(request, {.reconnect_for = std::chrono::nanoseconds(0)});
  PullOne(stream);
  rig.server().Stop();
  EXPECT_TRUE(absl::IsUnavailable(StatusOf(std::move(stream))));
}

TEST(CatalogService, FilesOfAScanAreFilteredAndResumed) {
  ServerRig rig;
  rig.WriteFiles(300);
  rig.tree().Write("big/one", std::string(5000, 'x'));
  auto run = rig.client().Run(rig.ScanRequest());
  const std::string scan = PullAll(run).front().job().scan();
  v1::StreamFilesRequest request;
  request.set_scan(scan);
  request.set_max_batch_files(100);
  auto files = rig.client().StreamFiles(request);
  const std::vector<v1::StreamFilesResponse> pages = PullAll(files);
  ASSERT_EQ(pages.size(), 4U);

  request.set_start_position(pages[2].next_position());
  auto rest = rig.client().StreamFiles(request);
  EXPECT_EQ(PullOne(rest)->files_size(), 1);

  v1::StreamFilesRequest filtered;
  filtered.set_scan(scan);
  filtered.set_path_glob("**/big/*");
  filtered.set_min_size(5000);
  auto large = rig.client().StreamFiles(filtered);
  EXPECT_EQ(PullOne(large)->files(0).path(), rig.tree().Path("big/one"));
}

TEST(CatalogService, PlansOfAJobAreFilteredByDigest) {
  ServerRig rig;
  rig.WriteFiles(20);
  auto scan = rig.client().Run(rig.ScanRequest());
  v1::RunJobRequest reconcile;
  reconcile.mutable_spec()->mutable_reconcile()->add_scans(PullAll(scan).front().job().scan());
  auto run = rig.client().Run(reconcile);
  const std::vector<v1::EventBatch> batches = PullAll(run);
  const v1::ReconciliationPlan plan = EventsOf(batches).front().plan();
  v1::StreamPlansRequest request;
  request.set_job(batches.front().job().name());
  request.set_digest(plan.digest());
  auto plans = rig.client().StreamPlans(request);
  const v1::StreamPlansResponse page = *PullOne(plans);
  ASSERT_EQ(page.plans_size(), 1);
  EXPECT_EQ(page.plans(0).SerializeAsString(), plan.SerializeAsString());
}

}  // namespace
}  // namespace sluice
