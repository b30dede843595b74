#ifndef SLUICE_SERVER_JOBS_CONVERT_H_
#define SLUICE_SERVER_JOBS_CONVERT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "google/rpc/status.pb.h"

#include "pipeline/fs/file.h"
#include "pipeline/stages/apply/outcome.h"
#include "pipeline/stages/reconcile.h"
#include "server/catalog/catalog.h"
#include "server/jobs/convert_plan.h"
#include "sluice/v1/event.pb.h"
#include "sluice/v1/file.pb.h"

// Between the values of the pipelines, the rows of the catalog and the messages of the contract.
namespace sluice {

// All that a pipeline yielded before is enough to go on from here: stored with it, and handed to
// the pipeline of a later run (JobRun::checkpoint). `state` is the job kind's own.
struct JobCheckpoint {
  std::string state;
};

// What a job's pipeline yields; each but a checkpoint and contents becomes one event. Contents are
// stored beside the events.
using JobItem = std::variant<FileEntry, ItemError, SkippedItem, Plan, ApplyOutcome, KnownContents,
                             JobCheckpoint>;

google::protobuf::Timestamp ToTimestamp(std::int64_t unix_ns);
std::int64_t FromTimestamp(const google::protobuf::Timestamp& time);
google::protobuf::Duration ToDuration(std::int64_t ns);
std::int64_t FromDuration(const google::protobuf::Duration& duration);

v1::FileType ToProto(FileType type);
void ToProto(const FileEntry& file, v1::FileRecord& record);
void ToProto(const ItemError& error, v1::ItemError& message);
void ToProto(const SkippedItem& skipped, v1::SkippedItem& message);
// How the failure of an item is told: `message` with the code and the reason of the failure.
google::rpc::Status ToItemStatus(const ItemError& error, std::string_view message);

// nullopt for a value that the contract does not know; UNSPECIFIED gives the default.
std::optional<DigestAlgorithm> FromProto(v1::DigestAlgorithm algorithm);
std::optional<FileType> FromProto(v1::FileType type);

// nullopt for a message that ToProto cannot have made.
std::optional<FileEntry> FromProto(const v1::FileRecord& record);

// Rows of the event log. EventPayload::kind is the number of the field in JobEvent.event; equal
// items have equal payloads. REQUIRES: no checkpoint and no contents.
EventRecord ToEventRecord(JobItem item, const PlanNames& names, std::uint64_t sequence,
                          std::int64_t time_ns);
EventRecord ToEventRecord(const v1::StateChange& change, std::uint64_t sequence,
                          std::int64_t time_ns);

// The event as every reader gets it. DATA_LOSS for a payload that cannot be parsed.
absl::Status ToJobEvent(const EventRecord& record, v1::JobEvent& event);

// Whether EventPayload::kind names an event of the contract.
bool IsEventKind(std::uint32_t kind);
// DATA_LOSS.
absl::Status DamagedEventError(const EventRecord& record);

// The same bytes for equal messages: maps in order.
std::string DeterministicBytes(const google::protobuf::Message& message);

// About the size of the event's message, in bytes.
std::size_t ApproximateSize(const EventRecord& record);

}  // namespace sluice

#endif  // SLUICE_SERVER_JOBS_CONVERT_H_
