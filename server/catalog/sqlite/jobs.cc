#include "server/catalog/sqlite/jobs.h"

#include "absl/strings/str_cat.h"

#include "server/catalog/sqlite/rows.h"

namespace sluice {

absl::Status NoSuchJob(const std::string& id) {
  return absl::NotFoundError(absl::StrCat("no job ", id));
}

absl::StatusOr<StoredJob> FindJob(Connection& connection, const std::string& id) {
  Query query(connection.Prepare(
      "SELECT number, last_sequence, oldest_sequence, end_time FROM job WHERE id = ?1"));
  query.BindText(id);
  if (!query.Next()) return NoSuchJob(id);
  return StoredJob{.number = query.Integer(0),
                   .last_sequence = query.Unsigned(1),
                   .oldest_sequence = query.Unsigned(2),
                   .end_time_ns = query.Integer(3)};
}

absl::Status InsertJob(Connection& connection, const JobRecord& job) {
  Query insert(connection.Prepare(
      "INSERT INTO job (id, kind, request_id, request_hash, end_time, last_sequence,"
      " oldest_sequence, record, checkpoint) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"));
  insert.BindText(job.id).BindText(job.kind);
  if (job.request_id.empty()) {
    insert.BindNull();
  } else {
    insert.BindText(job.request_id);
  }
  insert.BindBytes(job.request_hash).Bind(job.end_time_ns).BindUnsigned(job.last_sequence);
  insert.BindUnsigned(job.oldest_sequence).BindBytes(job.record).BindBytes(job.checkpoint).Run();
  const std::int64_t number = connection.database().getLastInsertRowid();
  if (number > kMaxJobNumber) {
    return absl::ResourceExhaustedError("the catalog is full: too many jobs");
  }
  if (!job.spec.empty()) {
    Query spec(connection.Prepare("INSERT INTO job_spec (number, spec) VALUES (?1, ?2)"));
    spec.Bind(number).BindBytes(job.spec).Run();
  }
  return absl::OkStatus();
}

void UpdateJob(Connection& connection, const StoredJob& stored, const JobRecord& job) {
  // A column that is set has its indexes written, also where it stays the same.
  Query update(connection.Prepare(
      stored.end_time_ns == job.end_time_ns
          ? "UPDATE job SET last_sequence = ?1, record = ?2, checkpoint = ?3 WHERE number = ?4"
          : "UPDATE job SET last_sequence = ?1, record = ?2, checkpoint = ?3, end_time = ?5"
            " WHERE number = ?4"));
  update.BindUnsigned(job.last_sequence).BindBytes(job.record).BindBytes(job.checkpoint);
  update.Bind(stored.number);
  if (stored.end_time_ns != job.end_time_ns) update.Bind(job.end_time_ns);
  update.Run();
}

void SetOldestSequence(Connection& connection, std::int64_t number, std::uint64_t oldest_sequence) {
  Query update(connection.Prepare("UPDATE job SET oldest_sequence = ?1 WHERE number = ?2"));
  update.BindUnsigned(oldest_sequence).Bind(number).Run();
}

void RemoveJob(Connection& connection, std::int64_t number) {
  Query(connection.Prepare("DELETE FROM job WHERE number = ?1")).Bind(number).Run();
  Query(connection.Prepare("DELETE FROM job_spec WHERE number = ?1")).Bind(number).Run();
}

JobRecord ReadJob(const Query& query) {
  return {.id = query.Text(0),
          .kind = query.Text(1),
          .request_id = query.Text(2),
          .request_hash = std::string(query.Bytes(3)),
          .spec = std::string(query.Bytes(4)),
          .end_time_ns = query.Integer(5),
          .last_sequence = query.Unsigned(6),
          .oldest_sequence = query.Unsigned(7),
          .record = std::string(query.Bytes(8)),
          .checkpoint = std::string(query.Bytes(9))};
}

std::vector<JobRecord> ReadJobs(Query& query) {
  std::vector<JobRecord> jobs;
  while (query.Next()) jobs.push_back(ReadJob(query));
  return jobs;
}

}  // namespace sluice
