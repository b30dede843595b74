#include "tests/unit/catalog/script.h"

#include <cstdint>
#include <stop_token>
#include <utility>

#include "absl/strings/str_cat.h"
#include <gtest/gtest.h>

#include "server/catalog/sqlite/connection.h"
#include "tests/unit/catalog/fixture.h"

namespace sluice {
namespace {

void NoEffect(CatalogState&) {}

ScriptStep Create(const std::string& id, const std::string& request_id) {
  JobRecord job = MakeJob(id);
  job.request_id = request_id;
  job.spec = std::string(9000, 's');  // More than a page.
  return {.what = absl::StrCat("create ", id),
          .call = [job](Catalog& catalog, const CatalogState&) { return catalog.CreateJob(job); },
          .effect = [job](CatalogState& state) { state[job.id].job = job; }};
}

ScriptStep Append(const std::string& id, std::vector<EventRecord> events,
                  std::int64_t end_time_ns = 0) {
  const auto effect = [=](CatalogState& state) {
    JobState& job = state.at(id);
    for (EventRecord event : events) {
      event.sequence = ++job.job.last_sequence;
      job.events.push_back(std::move(event));
    }
    job.job.end_time_ns = end_time_ns;
    job.job.record = absl::StrCat("record at ", job.job.last_sequence, ", ", end_time_ns);
    job.job.checkpoint = absl::StrCat("checkpoint at ", job.job.last_sequence);
  };
  const auto call = [=](Catalog& catalog, const CatalogState& before) {
    CatalogState after = before;
    effect(after);
    const JobState& job = after.at(id);
    const std::size_t old = before.at(id).events.size();
    const std::vector<KnownContent> contents(events.empty() ? 0 : 1, KnownContent{.size = 1});
    return catalog.Append(job.job, std::span(job.events).subspan(old), contents);
  };
  return {
      .what = absl::StrCat("append ", events.size(), " to ", id), .call = call, .effect = effect};
}

ScriptStep Expire(const std::string& id) {
  return {.what = absl::StrCat("expire ", id),
          .call = [id](Catalog& catalog, const CatalogState&) { return catalog.ExpireEvents(id); },
          .effect =
              [id](CatalogState& state) {
                JobState& job = state.at(id);
                job.job.oldest_sequence = job.job.last_sequence + 1;
                job.events.clear();
              }};
}

ScriptStep Delete(const std::string& id) {
  return {.what = absl::StrCat("delete ", id),
          .call = [id](Catalog& catalog, const CatalogState&) { return catalog.DeleteJob(id); },
          .effect = [id](CatalogState& state) { state.erase(id); }};
}

absl::Status PurgeInSlices(Catalog& catalog, const CatalogState&) {
  while (true) {
    const absl::StatusOr<bool> more = catalog.Purge(3);
    if (!more.ok() || !*more) return more.status();
  }
}

ScriptStep Purge() { return {.what = "purge", .call = &PurgeInSlices, .effect = &NoEffect}; }

ScriptStep Candidates(const std::string& id) {
  return {.what = absl::StrCat("candidates of ", id),
          .call =
              [id](Catalog& catalog, const CatalogState&) {
                return catalog.OpenCandidates({.scans = {id}}, std::stop_token()).status();
              },
          .effect = &NoEffect};
}

std::vector<ScriptStep> MakeScript() {
  const EventRecord file = FileEvent("/some/path", 5, 1);
  const EventRecord other = FileEvent("/other/path", 5, 2);
  const EventRecord payload = PayloadEvent(1, "payload");
  const EventRecord big = PayloadEvent(2, std::string(20'000, 'b'));
  return {
      Create("a", "request"),
      Append("a", {file, payload, other, big}),
      Create("b", ""),
      Append("b", {payload, file, file, other}),
      Append("a", {}),
      Candidates("a"),
      Append("a", {payload}, 50),
      Delete("a"),
      Create("c", "request"),
      Append("c", {file, big}),
      Purge(),
      Append("b", {payload}, 60),
      Expire("b"),
      Append("c", {payload}),
      Purge(),
      Delete("b"),
      Append("c", {payload}, 70),
  };
}

}  // namespace

const std::vector<ScriptStep>& Script() {
  static const std::vector<ScriptStep> script = MakeScript();
  return script;
}

CatalogState StateAfter(std::size_t steps) {
  CatalogState state;
  for (std::size_t i = 0; i < steps && i < Script().size(); ++i) Script()[i].effect(state);
  return state;
}

absl::StatusOr<CatalogState> ReadState(Catalog& catalog) {
  absl::StatusOr<std::vector<JobRecord>> jobs = catalog.ListJobs("", "", 100);
  if (!jobs.ok()) return jobs.status();
  CatalogState state;
  for (JobRecord& job : *jobs) {
    absl::StatusOr<std::vector<EventRecord>> events = catalog.ReadEvents(job.id, 1, 100);
    if (!events.ok()) return events.status();
    const absl::StatusOr<JobRecord> same = catalog.GetJob(job.id);
    if (!same.ok()) return same.status();
    EXPECT_EQ(*same, job);
    if (!job.request_id.empty()) {
      const absl::StatusOr<JobRecord> found = catalog.FindJobByRequestId(job.request_id);
      if (!found.ok()) return found.status();
      EXPECT_EQ(found->id, job.id);
    }
    const std::string id = job.id;
    state[id] = {.job = std::move(job), .events = *std::move(events)};
  }
  return state;
}

std::string CheckIntegrity(const std::string& directory) {
  Connection connection(directory + "/catalog.sqlite", Connection::Access::kWrite, 1024);
  Query check(connection.Prepare("PRAGMA integrity_check"));
  return check.Next() ? check.Text(0) : "no answer";
}

std::size_t CountStoredEvents(const std::string& directory) {
  Connection connection(directory + "/catalog.sqlite", Connection::Access::kWrite, 1024);
  return static_cast<std::size_t>(
      connection.ReadInteger("SELECT ifnull(sum(count), 0) FROM event_chunk"));
}

std::size_t CountStoredContents(const std::string& directory) {
  Connection connection(directory + "/catalog.sqlite", Connection::Access::kWrite, 1024);
  return static_cast<std::size_t>(connection.ReadInteger("SELECT count(*) FROM content_chunk"));
}

std::size_t CountEvents(const CatalogState& state) {
  std::size_t events = 0;
  for (const auto& [id, job] : state) events += job.events.size();
  return events;
}

}  // namespace sluice
