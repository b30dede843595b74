#include "server/jobs/apply_job.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "pipeline/async/status_error.h"
#include "pipeline/stages/apply/apply.h"
#include "server/jobs/apply_check.h"
#include "server/jobs/apply_journals.h"
#include "server/jobs/convert_outcome.h"
#include "server/jobs/convert_plan.h"
#include "server/jobs/job.h"

namespace sluice {
namespace {

// A crash loses no more outcomes than these, and a run that goes on takes them from the journal.
constexpr std::size_t kEventsPerTransaction = 128;
// Plans read from the catalog at a time: a part of a large one is about 100 KiB.
constexpr std::size_t kPage = 32;

std::string_view StageOf(const v1::JobSpec& /*spec*/, const PipelineCounters& /*counters*/) {
  return "apply";
}

std::vector<std::string> InputsOf(const v1::JobSpec& spec) {
  const std::optional<std::string> input = InputOfApply(spec.apply());
  return input ? std::vector{*input} : std::vector<std::string>();
}

void CheckFields(const v1::JobSpec& spec, FieldViolations& violations) {
  CheckApplyFields(spec.apply(), violations);
}

absl::Status CheckWorld(const v1::JobSpec& spec, const JobEnvironment& environment) {
  return CheckApplyWorld(spec.apply(), environment);
}

absl::Status CheckBeside(const v1::JobSpec& spec, const v1::Job& unended) {
  return CheckApplyBeside(spec.apply(), unended);
}

// How far earlier runs came: in text "{plan_sequence}.{copy}.{changes}".
struct Progress {
  ApplyPosition position;
  std::uint64_t changes = 0;  // Made, or that would have been.

  std::string Text() const {
    return absl::StrCat(position.plan_sequence, ".", position.copy, ".", changes);
  }
  // nullopt before the first. Throws DATA_LOSS.
  static std::optional<Progress> Parse(const std::string& text) {
    if (text.empty()) return std::nullopt;
    Progress progress;
    const std::vector<std::string> parts = absl::StrSplit(text, '.');
    if (parts.size() != 3 || !absl::SimpleAtoi(parts[0], &progress.position.plan_sequence) ||
        !absl::SimpleAtoi(parts[1], &progress.position.copy) ||
        !absl::SimpleAtoi(parts[2], &progress.changes)) {
      throw StatusError(absl::DataLossError("the job's checkpoint cannot be read"));
    }
    return progress;
  }
};

ApplyOptions OptionsOf(const v1::ApplySpec& spec, const std::optional<Progress>& earlier) {
  ApplyOptions options;
  if (spec.action() != v1::ACTION_UNSPECIFIED) options.action = FromProto(spec.action());
  options.verify = *FromProto(spec.verify());
  options.metadata = *FromProto(spec.metadata());
  options.allow_unleased = spec.allow_unleased();
  if (spec.has_max_changes()) options.max_changes = spec.max_changes();
  options.removed =
      UndoWindow(spec) == 0 ? ApplyOptions::Removed::kDelete : ApplyOptions::Removed::kQuarantine;
  if (!IsDryRun(spec)) {
    options.mode = ApplyOptions::Mode::kExecute;
  } else if (earlier) {
    // No journal knows of changes that were not made.
    options.max_changes -= std::min(options.max_changes, earlier->changes);
  }
  return options;
}

StoredPlan ToStoredPlan(const EventRecord& record, const std::string& host) {
  v1::ReconciliationPlan message;
  std::optional<Plan> plan;
  if (message.ParseFromString(std::get<EventPayload>(record.event).payload)) {
    plan = FromProto(message);
  }
  if (!plan) throw StatusError(DamagedEventError(record));
  const bool other_host = std::ranges::any_of(
      message.copies(), [&](const v1::Copy& copy) { return copy.host() != host; });
  return {.sequence = record.sequence,
          .name = message.name(),
          .plan = *std::move(plan),
          .other_host = other_host};
}

// The plans that the spec asks for, from the event `next` on.
AsyncGenerator<StoredPlan> ReadPlans(std::uint64_t next, const JobRun& run,
                                     const JobEnvironment& environment) {
  const v1::ApplySpec& spec = run.spec.apply();
  const std::string job = *InputOfApply(spec);
  const bool all = spec.plans().empty();
  std::set<std::string> wanted(spec.plans().begin(), spec.plans().end());
  while (all || !wanted.empty()) {
    ThrowIfStopRequested(run.scope.stop_token());
    const std::vector<EventRecord> page =
        ValueOrThrow(environment.catalog.ReadPayloads(job, next, v1::JobEvent::kPlan, kPage));
    if (page.empty()) break;
    for (const EventRecord& record : page) {
      const std::string& bytes = std::get<EventPayload>(record.event).payload;
      if (!all && !wanted.contains(NameOfPlan(bytes))) continue;
      StoredPlan plan = ToStoredPlan(record, environment.host);
      if (plan.plan.last_part) wanted.erase(plan.name);
      co_yield std::move(plan);
    }
    next = page.back().sequence + 1;
    co_await run.scope.executor().YieldIfBusy();
  }
}

AsyncGenerator<ApplyItem> Items(const std::optional<Progress>& earlier, const JobRun& run,
                                const JobEnvironment& environment) {
  const v1::ApplySpec& spec = run.spec.apply();
  const ApplyJournals& journals = environment.journals;
  ApplyDeps deps{.fs = journals.fs(),
                 .roots = environment.roots,
                 .scope = run.scope,
                 .counters = run.counters,
                 .job_id = run.job_id,
                 .journal_path = {},
                 .resume_after = {}};
  if (earlier) deps.resume_after = earlier->position;
  if (!IsDryRun(spec)) {
    ThrowIfError(journals.Recover(run.job_id));
    deps.journal_path = journals.PathOf(run.job_id);
  }
  const ApplyOptions options = OptionsOf(spec, earlier);
  if (spec.undo_of().empty()) {
    const std::uint64_t first = earlier ? earlier->position.plan_sequence : 1;
    return Apply(ReadPlans(first, run, environment), options, std::move(deps));
  }
  const std::string undone = *InputOfApply(spec);
  // A job that failed may have left a change half-way.
  if (!IsDryRun(spec)) ThrowIfError(journals.Recover(undone));
  return Undo(journals.PathOf(undone), options, std::move(deps));
}

// What is left to do, where that need not be looked for: named plans would have to be read, and of
// the bytes that earlier runs have compared nothing is known.
void SetTotals(const JobRun& run, const JobEnvironment& environment) {
  const v1::ApplySpec& spec = run.spec.apply();
  if (!spec.plans().empty()) return;
  const auto counters_of = [&](const std::string& id) {
    return ValueOrThrow(ParseJob(ValueOrThrow(environment.catalog.GetJob(id)))).counters();
  };
  const v1::JobCounters input = counters_of(*InputOfApply(spec));
  const std::uint64_t done = counters_of(run.job_id).items();
  const std::uint64_t items = spec.undo_of().empty() ? input.copies() : input.changes();
  if (items > done) run.counters.items_total = items - done;
  if (done == 0 && spec.undo_of().empty()) run.counters.bytes_total = input.copy_bytes();
}

AsyncGenerator<JobItem> Start(const JobRun& run, const JobEnvironment& environment) {
  const std::optional<Progress> earlier = Progress::Parse(run.checkpoint);
  Progress progress = earlier.value_or(Progress{});
  SetTotals(run, environment);
  auto items = Items(earlier, run, environment);
  while (auto item = co_await items.Next()) {
    if (auto* outcome = std::get_if<ApplyOutcome>(&*item)) {
      progress.changes += outcome->result == ApplyOutcome::Result::kApplied ||
                                  outcome->result == ApplyOutcome::Result::kWouldApply
                              ? 1
                              : 0;
      co_yield JobItem(std::move(*outcome));
    } else {
      progress.position = std::get<ApplyCheckpoint>(*item).position;
      co_yield JobItem(JobCheckpoint{.state = progress.Text()});
    }
  }
}

}  // namespace

JobKind ApplyJobKind() {
  return {.name = "apply",
          .spec_case = v1::JobSpec::kApply,
          .events_per_transaction = kEventsPerTransaction,
          .stage = StageOf,
          .inputs = InputsOf,
          .check_fields = CheckFields,
          .check_world = CheckWorld,
          .start = Start,
          .check_beside = CheckBeside};
}

}  // namespace sluice
