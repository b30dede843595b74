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

// A job as it is stored. `spec`, `record` and `checkpoint` are opaque to the catalog; the columns
// beside them are what it searches by.
struct JobRecord {
  std::string id;            // Sorts by time of creation.
  std::string kind;          // "scan", "reconcile", "apply".
  std::string request_id;    // Unique unless empty.
  std::string request_hash;  // Fingerprint of the request that used request_id.
  // Like all above, never changes. Empty in a job of before version 2 of the schema: it is in the
  // record then.
  std::string spec;

  std::int64_t end_time_ns = 0;  // Since 1970-01-01 UTC; 0: has not ended.
  std::uint64_t last_sequence = 0;
  std::uint64_t oldest_sequence = 1;  // last_sequence + 1 when its events have expired.
  std::string record;
  std::string checkpoint;  // Where its pipeline can go on; with the events up to last_sequence.

  bool ended() const { return end_time_ns != 0; }
  bool operator==(const JobRecord&) const = default;
};

// An event that is no file. `kind` and `payload` are opaque to the catalog.
struct EventPayload {
  std::uint32_t kind = 0;
  std::string payload;

  bool operator==(const EventPayload&) const = default;
};

// One entry of a job's event log. The records of a scan's files are its log.
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

  // Jobs whose contents (see Append) are used where a candidate is still of the same version,
  // and its times lie before `trusted_before_ns`: a file that was written about the time when it
  // was read may have changed once more without a trace. Of several that know a version, the last
  // one here counts. One that does not exist (any more) knows nothing.
  struct Known {
    std::string job;
    std::int64_t trusted_before_ns = 0;  // Since 1970-01-01 UTC.
  };
  std::vector<Known> known;
};

// What the server remembers: jobs, their event logs, and so the files of scans.
//
// Everything is committed when a call returns OK, and survives a crash of the process. One writer
// at a time; reads see committed state only and do not wait for the writer.
// Thread-safe. Blocks on the disk: called on an executor's thread. Constant memory, whatever the
// number of rows.
// Errors: NOT_FOUND (no such job), ALREADY_EXISTS (request_id), DATA_LOSS (the store is damaged),
// RESOURCE_EXHAUSTED (no space), UNAVAILABLE (I/O). After an error nothing of the call is stored,
// and the next call may succeed. (If the disk fails so that the store cannot be put in order, and
// the process dies before it can, then the last call that failed may be found done, as a whole.)
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
  // Jobs that have not ended, ids above `after_id` (empty: from the oldest). Oldest first.
  virtual absl::StatusOr<std::vector<JobRecord>> ListUnendedJobs(const std::string& after_id,
                                                                 std::size_t limit) = 0;

  // Appends events and contents, and replaces what may change of the job (end_time_ns,
  // last_sequence, record, checkpoint), in one transaction. Survives a power cut when the job has
  // ended or nothing is appended. `contents` are what the job has found out, for OpenCandidates of
  // this or a later job; they are no events, and are given up together with the events.
  // REQUIRES: sequences go on from the job's last one without a gap, and job.last_sequence is the
  // last of them (or the job's last one, without events); else INTERNAL, and nothing is written.
  virtual absl::Status Append(const JobRecord& job, std::span<const EventRecord> events,
                              std::span<const KnownContent> contents) = 0;
  absl::Status AppendEvents(const JobRecord& job, std::span<const EventRecord> events) {
    return Append(job, events, {});
  }

  // Deletes a job with its events: at once for all readers, and its id and request_id are free
  // again; the space is given back by Purge. A list of candidates that is open stays.
  virtual absl::Status DeleteJob(const std::string& id) = 0;
  // The events of an ended job expire: reads of them find nothing, and its oldest_sequence is
  // last_sequence + 1. The job stays. The space is given back by Purge. Idempotent. Errors beside
  // those above: FAILED_PRECONDITION (it has not ended).
  virtual absl::Status ExpireEvents(const std::string& id) = 0;
  // Removes about `max_rows` events and contents of deleted and expired jobs, in one transaction:
  // they are stored some hundreds together, and what is stored together goes together. Returns
  // whether there are more. What a crash has left is found again. Called in a loop it does not hold
  // up those who write meanwhile for longer than a call takes.
  virtual absl::StatusOr<bool> Purge(std::size_t max_rows) = 0;
  // Ended jobs that still have events (kExpirable), or have none any more (kExpired), which ended
  // before `ended_before_ns`; the one that ended first comes first.
  enum class Retained : std::uint8_t { kExpirable, kExpired };
  virtual absl::StatusOr<std::vector<JobRecord>> ListEndedJobs(Retained which,
                                                               std::int64_t ended_before_ns,
                                                               std::size_t limit) = 0;
  // Bytes of the store that hold data; space that was given back, and will be used again, does not
  // count.
  virtual absl::StatusOr<std::uint64_t> UsedBytes() = 0;

  // The functions below read pages: at most `limit` records from `first_sequence` on, in order, and
  // no more once kPageBytes of paths and payloads are exceeded. A page may end earlier, where what
  // is stored together ends; only an empty one is the end of what is stored.
  static constexpr std::size_t kPageBytes = 256 * 1024;

  // Events of every kind. Those that have expired are passed over.
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
  // that version has one, and with what query.known has found out about that version. Takes its
  // time (a sort of all files of the scans). Cancellation: CANCELLED, promptly, once `stop` is
  // requested. Lifetime: the catalog outlives the list. Errors: NOT_FOUND also for a scan whose
  // events have expired, or do while the list is made.
  virtual absl::StatusOr<std::unique_ptr<CandidateList>> OpenCandidates(
      const CandidateQuery& query, const std::stop_token& stop) = 0;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CATALOG_CATALOG_H_
