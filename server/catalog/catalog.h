#ifndef SLUICE_SERVER_CATALOG_CATALOG_H_
#define SLUICE_SERVER_CATALOG_CATALOG_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "pipeline/fs/file.h"
#include "pipeline/stages/reconcile.h"

namespace sluice {

// A job as it is stored. `record` is opaque to the catalog; the columns beside it are what it
// searches by.
struct JobRecord {
  std::string id;            // Sorts by time of creation.
  std::string kind;          // "scan", "reconcile".
  bool ended = false;        // In a final state.
  std::string request_id;    // Unique unless empty.
  std::string request_hash;  // Fingerprint of the request that used request_id.
  std::uint64_t last_sequence = 0;
  std::string record;

  bool operator==(const JobRecord&) const = default;
};

// An event that is no file. `kind` and `payload` are opaque to the catalog.
struct EventPayload {
  std::uint32_t kind = 0;
  std::string payload;

  bool operator==(const EventPayload&) const = default;
};

// One entry of a job's event log. File records are rows of their own, and are the log.
struct EventRecord {
  std::uint64_t sequence = 0;
  std::int64_t time_ns = 0;  // Since 1970-01-01 UTC.
  std::variant<FileEntry, EventPayload> event;

  bool operator==(const EventRecord&) const = default;
};

struct FileQuery {
  std::string path_prefix;  // Bytes; empty: all.
  std::optional<std::uint64_t> min_size;
  std::optional<std::uint64_t> max_size;
  std::optional<Digest> digest;
};

struct CandidateQuery {
  enum class Scope : std::uint8_t { kAcrossScans, kWithinScan };
  std::vector<std::string> scans;  // Job ids; scan_index of a candidate is the index here.
  Scope scope = Scope::kAcrossScans;
  std::uint64_t min_size = 1;
  std::optional<std::uint64_t> max_size;
};

// What the server remembers: jobs, their event logs, and so the files of scans.
//
// Everything is committed when a call returns OK, and survives a crash of the process. One writer
// at a time; reads see committed state only and do not wait for the writer.
// Thread-safe. Blocks on the disk: called on an executor's thread. Constant memory, whatever the
// number of rows.
// Errors: NOT_FOUND (no such job), ALREADY_EXISTS (request_id), DATA_LOSS (the store is damaged),
// RESOURCE_EXHAUSTED (no space), UNAVAILABLE (I/O).
class Catalog {
 public:
  Catalog() = default;
  Catalog(const Catalog&) = delete;
  Catalog& operator=(const Catalog&) = delete;
  virtual ~Catalog() = default;

  virtual absl::Status CreateJob(const JobRecord& job) = 0;
  virtual absl::StatusOr<JobRecord> GetJob(const std::string& id) = 0;
  // NOT_FOUND where none has it.
  virtual absl::StatusOr<JobRecord> FindJobByRequestId(const std::string& request_id) = 0;
  // Newest first, ids below `before_id` (empty: from the newest), of one kind (empty: all).
  virtual absl::StatusOr<std::vector<JobRecord>> ListJobs(const std::string& before_id,
                                                          const std::string& kind,
                                                          std::size_t limit) = 0;
  // Jobs that were there, and had not ended, when the catalog was opened, and have not ended since.
  // Oldest first.
  virtual absl::StatusOr<std::vector<JobRecord>> ListUnendedJobs() = 0;

  // Appends events and replaces the job, in one transaction. REQUIRES: sequences go on from the
  // job's last one without a gap, and job.last_sequence is the last of them; else INTERNAL, and
  // nothing is written.
  virtual absl::Status AppendEvents(const JobRecord& job, std::span<const EventRecord> events) = 0;

  // The functions below read pages: at most `limit` records from `first_sequence` on, in order, and
  // no more once kPageBytes of paths and payloads are exceeded. An empty page is the end of what is
  // stored.
  static constexpr std::size_t kPageBytes = 256 * 1024;

  // Events of every kind.
  virtual absl::StatusOr<std::vector<EventRecord>> ReadEvents(const std::string& job_id,
                                                              std::uint64_t first_sequence,
                                                              std::size_t limit) = 0;

  // The file records of a scan job that match. Passes over those that do not, in one call.
  virtual absl::StatusOr<std::vector<EventRecord>> ReadFiles(const std::string& job_id,
                                                             std::uint64_t first_sequence,
                                                             const FileQuery& query,
                                                             std::size_t limit) = 0;

  // The events of one payload kind.
  virtual absl::StatusOr<std::vector<EventRecord>> ReadPayloads(const std::string& job_id,
                                                                std::uint64_t first_sequence,
                                                                std::uint32_t kind,
                                                                std::size_t limit) = 0;

  // A snapshot of the regular files that share their size with another inode. Size classes are
  // ordered by what they could give back at most (the sizes of all their inodes but one), largest
  // first. A name recorded twice with one size (the same path and inode, by overlapping scans)
  // appears once: as the newest version of it that was recorded, with a digest if any record of
  // that version has one. Takes its time (a sort of all files of the scans). Cancellation:
  // CANCELLED, promptly, once `stop` is requested. Lifetime: the catalog outlives the list.
  virtual absl::StatusOr<std::unique_ptr<CandidateList>> OpenCandidates(
      const CandidateQuery& query, const std::stop_token& stop) = 0;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CATALOG_CATALOG_H_
