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

struct StoredJob {
  std::int64_t number = 0;
  std::uint64_t last_sequence = 0;
};

absl::Status NoSuchJob(const std::string& id);

// NOT_FOUND where there is none.
absl::StatusOr<StoredJob> FindJob(Connection& connection, const std::string& id);

// RESOURCE_EXHAUSTED when there are too many.
absl::Status InsertJob(Connection& connection, const JobRecord& job);
void ReplaceJob(Connection& connection, std::int64_t number, const JobRecord& job);

// All rows of a query of kJobColumns.
std::vector<JobRecord> ReadJobs(Query& query);

}  // namespace sluice

#endif  // SLUICE_SERVER_CATALOG_SQLITE_JOBS_H_
