#ifndef SLUICE_SERVER_JOBS_WIRE_H_
#define SLUICE_SERVER_JOBS_WIRE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "google/protobuf/message_lite.h"

#include "pipeline/fs/file.h"
#include "server/catalog/catalog.h"

// Rows of the catalog as bytes of the contract
// ============================================
//
// A stream's messages are written straight from the rows that they show. Made as message objects
// first, an event costs seven allocations and six times the time, and a stored payload is parsed
// only to be serialized again.
//
//   std::string bytes;
//   for (const EventRecord& record : slice) ThrowIfError(AppendEvent(kEvents, record, bytes));
//   AppendUint64(kNextSequence, next, bytes);
//
// Each appends one field, as a message that has it would be serialized: what is appended in the
// order of the field numbers is equal, byte for byte, to what convert.h and SerializeAsString give.
namespace sluice {

// A v1::FileRecord.
void AppendFile(int field_number, const FileEntry& file, std::string& bytes);

// A v1::JobEvent. DATA_LOSS for a payload of an unknown kind; its bytes are sent as they are
// stored.
absl::Status AppendEvent(int field_number, const EventRecord& record, std::string& bytes);

// A string, bytes, or a message that is serialized already.
void AppendBytes(int field_number, const std::string& value, std::string& bytes);

// Nothing for 0.
void AppendUint64(int field_number, std::uint64_t value, std::string& bytes);

// What comes before `size` bytes in a field of this number.
std::string FieldPrefix(int field_number, std::size_t size);

}  // namespace sluice

#endif  // SLUICE_SERVER_JOBS_WIRE_H_
