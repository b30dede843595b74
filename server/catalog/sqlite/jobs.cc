#include "server/catalog/sqlite/jobs.h"

#include "absl/strings/str_cat.h"

#include "server/catalog/sqlite/rows.h"

namespace sluice {

absl::Status NoSuchJob(const std::string& id) {
  return absl::NotFoundError(absl::StrCat("no job ", id));
}

absl::StatusOr<StoredJob> FindJob(Connection& connection, const std::string& id) {
  Query query(connection.Prepare("SELECT number, last_sequence FROM job WHERE id = ?1"));
  query.BindText(id);
  if (!query.Next()) return NoSuchJob(id);
  return StoredJob{.number = query.Integer(0), .last_sequence = query.Unsigned(1)};
}

absl::Status InsertJob(Connection& connection, const JobRecord& job) {
  static const std::string sql =
      absl::StrCat("INSERT INTO job (", kJobColumns, ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)");
  Query insert(connection.Prepare(sql));
  BindJob(insert, job);
  insert.Run();
  if (connection.database().getLastInsertRowid() > kMaxJobNumber) {
    return absl::ResourceExhaustedError("the catalog is full: too many jobs");
  }
  return absl::OkStatus();
}

void ReplaceJob(Connection& connection, std::int64_t number, const JobRecord& job) {
  Query update(connection.Prepare(
      "UPDATE job SET id = ?1, kind = ?2, ended = ?3, request_id = ?4, request_hash = ?5,"
      " last_sequence = ?6, record = ?7 WHERE number = ?8"));
  BindJob(update, job);
  update.Bind(number).Run();
}

std::vector<JobRecord> ReadJobs(Query& query) {
  std::vector<JobRecord> jobs;
  while (query.Next()) jobs.push_back(ReadJob(query));
  return jobs;
}

}  // namespace sluice
