#include "tests/unit/jobs/job_model_run.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include <gtest/gtest.h>

#include "server/jobs/job_lists.h"
#include "server/jobs/retention.h"
#include "tests/unit/catalog/fixture.h"

namespace sluice {
namespace {

using std::chrono::milliseconds;

constexpr int kActions = 70;
constexpr std::size_t kMaxJobs = 12;
constexpr std::size_t kMaxWatchers = 6;

// What the contract lets be answered; what was, if it is among that.
absl::StatusCode AnswerOf(const JobModel::Codes& allowed, absl::StatusCode answered) {
  return allowed.contains(answered) ? answered : *allowed.begin();
}

}  // namespace

const std::vector<JobModelRun::Action>& JobModelRun::Actions() {
  static const std::vector<Action> actions = {
      {10, &JobModelRun::Start, "start"},
      {2, &JobModelRun::StartAgain, "start again"},
      {2, &JobModelRun::StartTwiceAtOnce, "start twice at once"},
      {24, &JobModelRun::Change, "change"},
      {2, &JobModelRun::Get, "get"},
      {2, &JobModelRun::List, "list"},
      {6, &JobModelRun::Watch, "watch"},
      {8, &JobModelRun::PullWatcher, "pull"},
      {3, &JobModelRun::StopWatcher, "stop a watch"},
      {2, &JobModelRun::Sweep, "sweep"},
      {2, &JobModelRun::Restart, "restart"},
      {2, &JobModelRun::BreakStore, "break the store"},
      {3, &JobModelRun::MendStore, "mend the store"},
      {20, &JobModelRun::RunSome, "run some"},
      {5, &JobModelRun::RunUntilIdle, "run until idle"},
      {6, &JobModelRun::OpenGate, "open the gate"},
      {8, &JobModelRun::AdvanceClock, "advance the clock"},
  };
  return actions;
}

JobModelRun::JobModelRun(std::uint32_t seed, const TempTree& tree, std::size_t files)
    : random_(seed),
      files_(files),
      limits_{.max_running_jobs = 1 + Below(2), .max_queued_jobs = 1 + Below(4)},
      rig_(tree, limits_,
           OneIn(2) ? GatedDigester::OnStop::kIgnore : GatedDigester::OnStop::kThrow) {}

void JobModelRun::Run() {
  for (int i = 0; i < kActions && !testing::Test::HasFailure(); ++i) Step();
  if (!testing::Test::HasFailure()) Finish();
  if (testing::Test::HasFailure()) {
    // Streams are dropped only when they do not wait.
    for (const auto& watcher : watchers_) watcher->Stop();
    rig_.executor().RunAll();
    for (const auto& watcher : watchers_) watcher->Harvest([](const v1::EventBatch&) {});
  }
  watchers_.clear();
}

void JobModelRun::Step() {
  unsigned total = 0;
  for (const Action& action : Actions()) total += action.weight;
  std::size_t left = Below(total);
  const Action* chosen = Actions().data();
  while (left >= chosen->weight) left -= (chosen++)->weight;
  Tell(chosen->name);
  (this->*chosen->act)();
  Check();
}

// ---- Starting

std::string JobModelRun::NextRequestId() {
  return absl::StrFormat("00000000-0000-4000-8000-%012d", ++requests_);
}

v1::JobSpec JobModelRun::RandomSpec(std::size_t& needs) {
  std::vector<std::size_t> scans;
  for (std::size_t i = 0; i < model_.jobs().size(); ++i) {
    const ModelJob& job = model_.jobs()[i];
    if (!job.deleted && !job.expired && job.spec.has_scan() &&
        job.state == v1::JOB_STATE_SUCCEEDED) {
      scans.push_back(i);
    }
  }
  const auto policy = OneIn(2) ? v1::DIGEST_POLICY_ALL : v1::DIGEST_POLICY_NONE;
  const auto pacing = OneIn(3) ? v1::PACING_PACED_BY_CONSUMER : v1::PACING_FREE_RUNNING;
  v1::JobSpec spec = rig_.ScanSpec(policy, pacing, 1 + static_cast<std::uint32_t>(Below(6)));
  spec.set_priority(static_cast<int>(Below(3)) - 1);
  if (!scans.empty() && OneIn(4)) {
    needs = scans[Below(scans.size())];
    spec.mutable_reconcile()->add_scans("scans/" + model_.jobs()[needs].id);
  }
  return spec;
}

void JobModelRun::AddStarted(const std::shared_ptr<Job>& job, ModelJob as) {
  as.id = job->id();
  EXPECT_EQ(job->state(), v1::JOB_STATE_QUEUED);
  EXPECT_EQ(job->Snapshot().last_sequence(), 0U);
  model_.Add(std::move(as));
  objects_.emplace_back(job);
}

void JobModelRun::Start() {
  if (model_.jobs().size() >= kMaxJobs) return;
  ModelJob job;
  job.spec = RandomSpec(job.needs);
  if (OneIn(2)) job.request_id = NextRequestId();
  const Code write = rig_.catalog().next_write();
  const auto started = rig_.manager().Start(job.spec, job.request_id);
  Code expected = AnswerOf(model_.Room(), started.status().code());
  if (expected == Code::kOk) expected = write;
  ASSERT_EQ(started.status().code(), expected) << started.status();
  if (started.ok()) AddStarted(*started, std::move(job));
}

void JobModelRun::StartAgain() {
  if (model_.jobs().empty()) return;
  const ModelJob& earlier = model_.jobs()[Below(model_.jobs().size())];
  if (earlier.request_id.empty() || earlier.deleted) return;
  v1::JobSpec spec = earlier.spec;
  const bool same = !OneIn(3);
  if (!same) spec.set_priority(spec.priority() + 1);
  const auto started = rig_.manager().Start(spec, earlier.request_id);
  ASSERT_EQ(started.status().code(), same ? Code::kOk : Code::kAlreadyExists) << started.status();
  if (same) EXPECT_EQ((*started)->id(), earlier.id);
}

// The second request comes while the first one is about to be stored.
void JobModelRun::StartTwiceAtOnce() {
  const JobModel::Codes room = model_.Room();
  const JobModel::Codes room_for_two = model_.Room(2);
  if (model_.jobs().size() >= kMaxJobs || room.size() > 1 || room_for_two.size() > 1) return;
  ModelJob job;
  job.spec = RandomSpec(job.needs);
  job.request_id = NextRequestId();
  absl::StatusOr<std::shared_ptr<Job>> inner;
  Code inner_write = Code::kOk;
  Code outer_write = rig_.catalog().next_write();
  rig_.catalog().BeforeNextCreate([&] {
    inner_write = outer_write;
    inner = rig_.manager().Start(job.spec, job.request_id);
    outer_write = rig_.catalog().next_write();
  });
  const auto outer = rig_.manager().Start(job.spec, job.request_id);
  rig_.catalog().BeforeNextCreate(nullptr);
  const bool may_start = *room.begin() == Code::kOk;
  ASSERT_EQ(outer.status().code(), may_start ? outer_write : *room.begin()) << outer.status();
  if (may_start) {
    const bool both = *room_for_two.begin() == Code::kOk;
    ASSERT_EQ(inner.status().code(), both ? inner_write : *room_for_two.begin()) << inner.status();
  }
  if (inner.ok() && outer.ok()) EXPECT_EQ(*inner, *outer);
  if (inner.ok() || outer.ok()) AddStarted(inner.ok() ? *inner : *outer, std::move(job));
}

// ---- Changing

std::shared_ptr<Job> JobModelRun::Find(std::size_t job) {
  auto found = rig_.manager().Find(NameOf(job));
  const Code expected = model_.jobs()[job].deleted ? Code::kNotFound : Code::kOk;
  EXPECT_EQ(found.status().code(), expected) << found.status();
  if (!found.ok()) return nullptr;
  objects_[job] = *found;
  return *found;
}

absl::StatusOr<v1::Job> JobModelRun::Make(Call call, const std::string& name) {
  switch (call) {
    case Call::kPause:
      return rig_.manager().Pause(name);
    case Call::kResume:
      return rig_.manager().Resume(name);
    case Call::kCancel:
      return rig_.manager().Cancel(name);
    case Call::kDelete:
      return rig_.manager().Delete(name);
  }
  return absl::InternalError("no such call");
}

JobModel::Code JobModelRun::Predict(Call call, ModelJob& job, Code answered, Code write) {
  switch (call) {
    case Call::kPause:
      return model_.Pause(job, write);
    case Call::kResume:
      if (!job.deleted && job.state == v1::JOB_STATE_PAUSED) {
        const Code room = AnswerOf(model_.Room(), answered);
        if (room != Code::kOk) return room;
      }
      return model_.Resume(job, write);
    case Call::kCancel:
      return model_.Cancel(job, write);
    case Call::kDelete:
      return model_.Delete(job, write);
  }
  return Code::kInternal;
}

void JobModelRun::ChangeJob(std::size_t index, Call call) {
  constexpr const char* kNames[] = {"pause", "resume", "cancel", "delete"};
  ModelJob& job = model_.jobs()[index];
  Tell(absl::StrCat(kNames[static_cast<int>(call)], " job ", index, " ",
                    v1::JobState_Name(job.state)));
  const std::shared_ptr<Job> object = Find(index);
  const Code write = rig_.catalog().next_write();
  const auto answer = Make(call, NameOf(index));
  const Code expected = Predict(call, job, answer.status().code(), write);
  ASSERT_EQ(answer.status().code(), expected) << answer.status();
  if (answer.ok()) EXPECT_EQ(answer->state(), job.state);
}

void JobModelRun::Change() {
  if (model_.jobs().empty()) return;
  // Jobs are resumed more often than the rest: most of what may go wrong comes after it.
  constexpr Call kCalls[] = {Call::kPause,  Call::kPause,  Call::kResume,
                             Call::kResume, Call::kCancel, Call::kDelete};
  ChangeJob(Below(model_.jobs().size()), kCalls[Below(std::size(kCalls))]);
}

void JobModelRun::Sweep() {
  const Clock::Duration kept[] = {milliseconds(1), milliseconds(100), std::chrono::seconds(10)};
  const RetentionLimits limits{.job_retention = kept[Below(std::size(kept))]};
  Retention retention(rig_.manager(), limits, rig_.executor(), rig_.clock(),
                      [](const std::string&) {});
  const Code write = rig_.catalog().next_write();
  // A round that breaks half-way may have done anything of its work.
  if (write == Code::kOk && rig_.catalog().fault_ahead()) return;
  Started<absl::Status> sweep(retention.Sweep({}));
  ASSERT_TRUE(sweep.done());
  const absl::Status swept = sweep.Get();
  ASSERT_EQ(swept.code(), write) << swept;
  if (!swept.ok()) return;
  const std::int64_t now = rig_.clock().UnixNanos();
  const std::int64_t kept_ns = limits.job_retention.count();
  for (std::size_t i = 0; i < model_.jobs().size(); ++i) {
    ModelJob& job = model_.jobs()[i];
    job.expired |= model_.Expires(job, now - kept_ns) && !IsRead(i);
    const bool old = model_.Expires(job, now - Retention::kKeepJobs * kept_ns);
    job.deleted |= job.expired && old;
  }
}

// ---- Looking

void JobModelRun::Get() {
  if (model_.jobs().empty()) return;
  const std::size_t index = Below(model_.jobs().size());
  const std::shared_ptr<Job> job = Find(index);
  if (!job) return;
  const v1::Job snapshot = job->Snapshot();
  EXPECT_EQ(snapshot.state(), model_.jobs()[index].state);
  EXPECT_EQ(snapshot.last_sequence(), rig_.catalog().log(job->id()).size());
  EXPECT_EQ(snapshot.oldest_sequence() > 1, model_.jobs()[index].expired);
  EXPECT_EQ(snapshot.spec().SerializeAsString(), model_.jobs()[index].spec.SerializeAsString());
}

void JobModelRun::List() {
  const int page_size = 1 + static_cast<int>(Below(4));
  std::vector<std::pair<std::string, v1::JobState>> listed;
  std::string token;
  do {
    const auto page = ListJobs(rig_.manager().table(), page_size, token, "");
    ASSERT_TRUE(page.ok()) << page.status();
    for (const v1::Job& job : page->jobs) listed.emplace_back(job.name(), job.state());
    token = page->next_page_token;
  } while (!token.empty());
  std::vector<std::pair<std::string, v1::JobState>> expected;
  for (std::size_t i = model_.jobs().size(); i-- > 0;) {
    const ModelJob& job = model_.jobs()[i];
    if (!job.deleted) expected.emplace_back(NameOf(i), job.state);
  }
  EXPECT_EQ(listed, expected);
}

bool JobModelRun::IsRead(std::size_t job) const {
  return std::ranges::any_of(watchers_, [&](const auto& watcher) { return watcher->job() == job; });
}

void JobModelRun::AddWatcher(std::size_t index, std::uint64_t first, ModelWatcher::Pace pace) {
  const std::shared_ptr<Job> job = Find(index);
  if (!job) return;
  const EventStreamOptions options{.max_batch_events = 1 + Below(4)};
  watchers_.push_back(std::make_unique<ModelWatcher>(index, job, first, pace, options, rig_));
}

void JobModelRun::Watch() {
  if (model_.jobs().empty() || watchers_.size() >= kMaxWatchers) return;
  const std::size_t index = Below(model_.jobs().size());
  const std::size_t last = rig_.catalog().log(model_.jobs()[index].id).size();
  AddWatcher(index, 1 + Below(last + 3),
             OneIn(2) ? ModelWatcher::Pace::kEager : ModelWatcher::Pace::kByHand);
}

void JobModelRun::PullWatcher() {
  if (!watchers_.empty()) watchers_[Below(watchers_.size())]->Pull();
}

void JobModelRun::StopWatcher() {
  if (watchers_.empty()) return;
  const auto watcher = watchers_.begin() + static_cast<std::ptrdiff_t>(Below(watchers_.size()));
  // A call that goes away while its stream has nothing to do drops it.
  (*watcher)->Stop();
  if (!(*watcher)->is_pulling()) watchers_.erase(watcher);
}

// ---- The world around

void JobModelRun::BreakStore() {
  constexpr Code kCodes[] = {Code::kUnavailable, Code::kResourceExhausted, Code::kDataLoss};
  const auto fault = OneIn(2) ? StrictCatalog::Fault::kOnce : StrictCatalog::Fault::kForEver;
  rig_.catalog().FailWrite(1 + static_cast<int>(Below(3)), fault, kCodes[Below(3)]);
}

void JobModelRun::RunSome() {
  for (std::size_t steps = 1 + Below(8); steps > 0; --steps) {
    if (!rig_.executor().RunOne()) return model_.ManagerIsIdle();
    Check();
  }
}

void JobModelRun::RunUntilIdle() {
  do {
    Check();
  } while (rig_.executor().RunOne());
  model_.ManagerIsIdle();
}

void JobModelRun::AdvanceClock() {
  const Clock::Duration by[] = {milliseconds(1), milliseconds(20), milliseconds(60),
                                std::chrono::seconds(15)};
  rig_.clock().Advance(by[Below(std::size(by))]);
}

// The process is told to stop, or is killed: then nothing that it does reaches the store.
void JobModelRun::StopManager(bool killed) {
  if (killed) rig_.catalog().FailWrite(1, StrictCatalog::Fault::kForEver, Code::kUnavailable);
  rig_.manager().Drain();
  model_.Drain();
  for (std::size_t calls = Below(4); calls > 0; --calls) {
    Change();
    Check();
  }
  // Streams end; what is dropped is dropped before the run that paces itself by it.
  for (const auto& watcher : watchers_) watcher->Pull();
  RunUntilIdle();
  for (const auto& watcher : watchers_) watcher->Stop();
  RunUntilIdle();
  EXPECT_TRUE(std::ranges::none_of(watchers_, &ModelWatcher::is_pulling));
  watchers_.clear();
  rig_.Close();
}

void JobModelRun::Restart() {
  const bool killed = OneIn(2);
  const ResumeJobs policy = OneIn(2) ? ResumeJobs::kPaused : ResumeJobs::kAuto;
  Tell(killed ? "by kill" : "by stop");
  StopManager(killed);
  if (testing::Test::HasFatalFailure()) return;
  for (const auto& object : objects_) EXPECT_TRUE(object.expired()) << "an object outlives all";
  for (ModelJob& job : model_.jobs()) {
    if (job.deleted) continue;
    job.state = JobModel::AfterRestart(rig_.catalog().stored_state(job.id), policy);
    job.resumed_while_pausing = false;
  }
  rig_.catalog().Reopen();
  rig_.Open(policy);
  model_.Restarted();
  for (std::size_t i = 0; i < objects_.size(); ++i) Find(i);
}

}  // namespace sluice
