#ifndef SLUICE_SERVER_JOBS_WIRE_FIELDS_H_
#define SLUICE_SERVER_JOBS_WIRE_FIELDS_H_

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/timestamp.pb.h"

#include "pipeline/fs/file.h"
#include "pipeline/fs/path_text.h"
#include "server/jobs/convert.h"
#include "sluice/v1/file.pb.h"

// Messages as bytes, without the objects
// ======================================
//
// A message is described by a function that names its fields in the order of their numbers, as
// protobuf serializes them:
//
//   AppendFields([&](auto& fields) {
//     fields.Message(v1::Copy::kFileFieldNumber, FileFields(file));
//     fields.Bytes(v1::Copy::kHostFieldNumber, host);
//   }, bytes);
//
// Texts are to be UTF-8 already.
namespace sluice {

namespace internal {

using google::protobuf::io::CodedOutputStream;

enum class WireType : std::uint8_t { kVarint = 0, kLengthDelimited = 2 };

constexpr std::uint32_t Tag(int field_number, WireType type) {
  return static_cast<std::uint32_t>(field_number) << 3 | static_cast<std::uint32_t>(type);
}

}  // namespace internal

// Length prefixes come before what they measure, so every message is described twice, by the same
// function: first to this, then to a FieldWriter. Both leave out what is 0 or empty, as proto3
// does.
class FieldSizes final {
 public:
  void Varint(int number, std::uint64_t value) {
    if (value == 0) return;
    size_ += internal::CodedOutputStream::VarintSize32(
                 internal::Tag(number, internal::WireType::kVarint)) +
             internal::CodedOutputStream::VarintSize64(value);
  }
  void Bytes(int number, std::string_view value) {
    if (!value.empty()) Present(number, value);
  }
  // Also when it is empty, as a message may be.
  void Present(int number, std::string_view value) { Delimited(number, value.size()); }
  // `describe(fields)` names the message's fields. Present also when it has none.
  template <typename Describe>
  void Message(int number, const Describe& describe) {
    Delimited(number, Of(describe));
  }
  std::size_t size() const { return size_; }

  template <typename Describe>
  static std::size_t Of(const Describe& describe) {
    FieldSizes sizes;
    describe(sizes);
    return sizes.size();
  }

 private:
  void Delimited(int number, std::size_t size) {
    size_ += internal::CodedOutputStream::VarintSize32(
                 internal::Tag(number, internal::WireType::kLengthDelimited)) +
             internal::CodedOutputStream::VarintSize64(size) + size;
  }

  std::size_t size_ = 0;
};

// Writes to memory that is large enough.
class FieldWriter final {
 public:
  explicit FieldWriter(std::uint8_t* target) : target_(target) {}

  void Varint(int number, std::uint64_t value) {
    if (value == 0) return;
    target_ = internal::CodedOutputStream::WriteTagToArray(
        internal::Tag(number, internal::WireType::kVarint), target_);
    target_ = internal::CodedOutputStream::WriteVarint64ToArray(value, target_);
  }
  void Bytes(int number, std::string_view value) {
    if (!value.empty()) Present(number, value);
  }
  void Present(int number, std::string_view value) {
    Prefix(number, value.size());
    target_ = internal::CodedOutputStream::WriteRawToArray(value.data(),
                                                           static_cast<int>(value.size()), target_);
  }
  template <typename Describe>
  void Message(int number, const Describe& describe) {
    Prefix(number, FieldSizes::Of(describe));
    describe(*this);
  }
  void Prefix(int number, std::size_t size) {
    target_ = internal::CodedOutputStream::WriteTagToArray(
        internal::Tag(number, internal::WireType::kLengthDelimited), target_);
    target_ = internal::CodedOutputStream::WriteVarint64ToArray(size, target_);
  }
  const std::uint8_t* end() const { return target_; }

 private:
  std::uint8_t* target_;
};

// Appends what `describe(fields)` names.
template <typename Describe>
void AppendFields(const Describe& describe, std::string& bytes) {
  const std::size_t old_size = bytes.size();
  bytes.resize(old_size + FieldSizes::Of(describe));
  FieldWriter writer(reinterpret_cast<std::uint8_t*>(bytes.data()) + old_size);
  describe(writer);
  assert(writer.end() == reinterpret_cast<std::uint8_t*>(bytes.data()) + bytes.size());
}

// A Timestamp.
struct TimeFields {
  explicit TimeFields(std::int64_t unix_ns) : seconds(unix_ns / kNanos), nanos(unix_ns % kNanos) {
    if (nanos >= 0) return;  // Before 1970 nanos still count forward.
    --seconds;
    nanos += kNanos;
  }

  template <typename Fields>
  void operator()(Fields& fields) const {
    fields.Varint(google::protobuf::Timestamp::kSecondsFieldNumber,
                  static_cast<std::uint64_t>(seconds));
    fields.Varint(google::protobuf::Timestamp::kNanosFieldNumber,
                  static_cast<std::uint64_t>(nanos));
  }

  static constexpr std::int64_t kNanos = 1'000'000'000;
  std::int64_t seconds;
  std::int64_t nanos;
};

// A FileRecord; its texts are made once for both descriptions. Lifetime: the file outlives it.
class FileFields final {
 public:
  explicit FileFields(const FileEntry& file) : file_(file) {
    if (!IsPrintable(file.path)) escaped_ = PrintablePath(file.path);
    if (file.digest) digest_ = DigestText(*file.digest);
  }

  template <typename Fields>
  void operator()(Fields& fields) const {
    const FileStat& stat = file_.stat;
    using Record = v1::FileRecord;
    fields.Bytes(Record::kPathFieldNumber, escaped_.empty() ? file_.path : escaped_);
    if (!escaped_.empty()) fields.Bytes(Record::kRawPathFieldNumber, file_.path);
    fields.Varint(Record::kTypeFieldNumber, static_cast<std::uint64_t>(ToProto(stat.type)));
    fields.Varint(Record::kSizeFieldNumber, stat.size);
    fields.Varint(Record::kAllocatedBytesFieldNumber, stat.allocated_bytes);
    fields.Message(Record::kModifyTimeFieldNumber, TimeFields(stat.modify_time_ns));
    fields.Message(Record::kChangeTimeFieldNumber, TimeFields(stat.change_time_ns));
    fields.Varint(Record::kDeviceFieldNumber, stat.device);
    fields.Varint(Record::kInodeFieldNumber, stat.inode);
    fields.Varint(Record::kLinkCountFieldNumber, stat.link_count);
    fields.Varint(Record::kModeFieldNumber, stat.mode);
    fields.Varint(Record::kUidFieldNumber, stat.uid);
    fields.Varint(Record::kGidFieldNumber, stat.gid);
    fields.Bytes(Record::kDigestFieldNumber, digest_);
  }

 private:
  const FileEntry& file_;
  std::string escaped_;  // Empty where the path is its own printable form.
  std::string digest_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_JOBS_WIRE_FIELDS_H_
