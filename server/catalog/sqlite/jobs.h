#ifndef SLUICE_SERVER_CATALOG_SQLITE_JOBS_H_
#define SLUICE_SERVER_CATALOG_SQLITE_JOBS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "server/catalog/catalog.h"
#include "server/catalog/sqlite/connection.h"

// The table of jobs. Errors beside those named: SQLite::Exception.
namespace sluice {

// What the tables of events need to know of a job.
struct StoredJob {
  std::int64_t number = 0;
  std::uint64_t last_sequence = 0;
  std::uint64_t oldest_sequence = 1;
  std::int64_t end_time_ns = 0;

  bool expired() const { return oldest_sequence > 1; }
  bool operator==(const StoredJob&) const = default;
};

absl::Status NoSuchJob(const std::string& id);

// NOT_FOUND where there is none.
absl::StatusOr<StoredJob> FindJob(Connection& connection, const std::string& id);

// RESOURCE_EXHAUSTED when there are too many.
absl::Status InsertJob(Connection& connection, const JobRecord& job);

// Writes what Append may change of a job: never its spec, which may be big. `stored` is the job as
// it is.
void UpdateJob(Connection& connection, const StoredJob& stored, const JobRecord& job);
void SetOldestSequence(Connection& connection, std::int64_t number, std::uint64_t oldest_sequence);

// Its events stay: see sqlite/garbage.h.
void RemoveJob(Connection& connection, std::int64_t number);

// The columns that ReadJob takes from a row of `job`.
inline constexpr char kJobColumns[] =
    "id, kind, request_id, request_hash,"
    " (SELECT spec FROM job_spec WHERE job_spec.number = job.number),"
    " end_time, last_sequence, oldest_sequence, record, checkpoint";

JobRecord ReadJob(const Query& query);
std::vector<JobRecord> ReadJobs(Query& query);

}  // namespace sluice

#endif  // SLUICE_SERVER_CATALOG_SQLITE_JOBS_H_
