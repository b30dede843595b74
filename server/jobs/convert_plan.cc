#include "server/jobs/convert_plan.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/io/coded_stream.h"

#include "pipeline/fs/path_text.h"
#include "server/jobs/convert.h"
#include "server/jobs/convert_parts.h"
#include "server/jobs/job_id.h"
#include "server/jobs/wire_fields.h"

namespace sluice {
namespace {

constexpr std::string_view kPlansPrefix = "plans/";
constexpr std::size_t kHexDigits = 32;  // Of the digest, in a plan's name.

constexpr EnumTable<Action, v1::Action, 5> kActions = {{
    {Action::kHardlink, v1::ACTION_HARDLINK},
    {Action::kHardlink, v1::ACTION_UNSPECIFIED},
    {Action::kReflink, v1::ACTION_REFLINK},
    {Action::kSymlink, v1::ACTION_SYMLINK},
    {Action::kRemove, v1::ACTION_REMOVE},
}};

constexpr EnumTable<KeepRule::Criterion, v1::KeepRule::Criterion, 9> kCriteria = {{
    {KeepRule::Criterion::kRootOrder, v1::KeepRule::CRITERION_ROOT_ORDER},
    {KeepRule::Criterion::kPathGlob, v1::KeepRule::CRITERION_PATH_GLOB},
    {KeepRule::Criterion::kOldest, v1::KeepRule::CRITERION_OLDEST},
    {KeepRule::Criterion::kNewest, v1::KeepRule::CRITERION_NEWEST},
    {KeepRule::Criterion::kShortestPath, v1::KeepRule::CRITERION_SHORTEST_PATH},
    {KeepRule::Criterion::kDeepestPath, v1::KeepRule::CRITERION_DEEPEST_PATH},
    {KeepRule::Criterion::kMostLinks, v1::KeepRule::CRITERION_MOST_LINKS},
    {KeepRule::Criterion::kLowestInode, v1::KeepRule::CRITERION_LOWEST_INODE},
    {KeepRule::Criterion::kPathOrder, v1::KeepRule::CRITERION_PATH_ORDER},
}};

// Made of what the plan is about, so that every run of the job gives it the same.
std::string PlanName(const Plan& plan, const PlanNames& names) {
  const std::string digest = DigestText(plan.digest);
  std::string name =
      absl::StrCat("plans/", names.job_id, ".", digest.substr(digest.find(':') + 1, kHexDigits));
  if (plan.within_scan) absl::StrAppend(&name, ".", *plan.within_scan);
  return name;
}

// What follows the digest in the name of a plan within one scan.
std::optional<std::uint32_t> ScanOfPlanName(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  std::uint32_t scan = 0;
  if (dot == name.find('.')) return std::nullopt;
  if (!absl::SimpleAtoi(std::string(name.substr(dot + 1)), &scan)) return std::nullopt;
  return scan;
}

// The path bytes of the earlier copy, of the same inode, that is printed so.
std::optional<std::string> SharedPath(const std::string& printed, const FileStat& stat,
                                      const std::vector<PlanCopy>& earlier) {
  for (const PlanCopy& copy : earlier) {
    const FileStat& other = copy.file.stat;
    if (other.device == stat.device && other.inode == stat.inode &&
        PrintablePath(copy.file.path) == printed) {
      return copy.file.path;
    }
  }
  return std::nullopt;
}

// A Copy.
class CopyFields final {
 public:
  CopyFields(const PlanCopy& copy, const PlanNames& names)
      : copy_(copy), names_(names), file_(copy.file) {
    if (copy.shares_storage_with) shares_storage_with_ = PrintablePath(*copy.shares_storage_with);
  }

  template <typename Fields>
  void operator()(Fields& fields) const {
    fields.Message(v1::Copy::kFileFieldNumber, file_);
    fields.Bytes(v1::Copy::kScanFieldNumber, names_.scans.at(copy_.scan_index));
    fields.Bytes(v1::Copy::kHostFieldNumber, names_.host);
    fields.Bytes(v1::Copy::kSharesStorageWithFieldNumber, shares_storage_with_);
    fields.Varint(v1::Copy::kProtectedFieldNumber, copy_.is_protected);
  }

 private:
  const PlanCopy& copy_;
  const PlanNames& names_;
  FileFields file_;
  std::string shares_storage_with_;
};

// A ReconciliationPlan.
class PlanFields final {
 public:
  PlanFields(const Plan& plan, const PlanNames& names)
      : plan_(plan),
        name_(PlanName(plan, names)),
        digest_(DigestText(plan.digest)),
        source_of_truth_(plan.source_of_truth) {
    copies_.reserve(plan.copies.size());
    for (const PlanCopy& copy : plan.copies) copies_.emplace_back(copy, names);
  }

  template <typename Fields>
  void operator()(Fields& fields) const {
    using Message = v1::ReconciliationPlan;
    fields.Bytes(Message::kNameFieldNumber, name_);
    fields.Bytes(Message::kDigestFieldNumber, digest_);
    fields.Varint(Message::kSizeFieldNumber, plan_.size);
    for (const CopyFields& copy : copies_) fields.Message(Message::kCopiesFieldNumber, copy);
    fields.Message(Message::kSourceOfTruthFieldNumber, source_of_truth_);
    fields.Bytes(Message::kReasonFieldNumber, plan_.reason);
    fields.Message(Message::kDecidingRuleFieldNumber, [this](auto& rule) {
      rule.Varint(v1::KeepRule::kCriterionFieldNumber,
                  static_cast<std::uint64_t>(ToProto(kCriteria, plan_.deciding_criterion)));
      rule.Bytes(v1::KeepRule::kPatternFieldNumber, plan_.deciding_pattern);
    });
    fields.Varint(Message::kActionFieldNumber, static_cast<std::uint64_t>(ToProto(plan_.action)));
    fields.Varint(Message::kRecoverableBytesFieldNumber, plan_.recoverable_bytes);
    fields.Varint(Message::kPartFieldNumber, plan_.part);
    fields.Varint(Message::kLastPartFieldNumber, plan_.last_part);
    fields.Varint(Message::kTotalCopiesFieldNumber, plan_.total_copies);
    fields.Varint(Message::kTotalRecoverableBytesFieldNumber, plan_.total_recoverable_bytes);
  }

 private:
  const Plan& plan_;
  std::string name_;
  std::string digest_;
  FileFields source_of_truth_;
  std::vector<CopyFields> copies_;
};

}  // namespace

std::string PlanBytes(const Plan& plan, const PlanNames& names) {
  std::string bytes;
  AppendFields(PlanFields(plan, names), bytes);
  return bytes;
}

v1::Action ToProto(Action action) { return ToProto(kActions, action); }

std::optional<Plan> FromProto(const v1::ReconciliationPlan& message) {
  const std::optional<Digest> digest = ParseDigest(message.digest());
  const std::optional<Action> action = FromProto(message.action());
  const auto criterion = FromProto(message.deciding_rule().criterion());
  std::optional<FileEntry> source_of_truth = FromProto(message.source_of_truth());
  if (!digest || !action || !criterion || !source_of_truth) return std::nullopt;
  Plan plan{.digest = *digest,
            .within_scan = ScanOfPlanName(message.name()),
            .size = message.size(),
            .copies = {},
            .source_of_truth = *std::move(source_of_truth),
            .deciding_criterion = *criterion,
            .deciding_pattern = message.deciding_rule().pattern(),
            .reason = message.reason(),
            .action = *action,
            .recoverable_bytes = message.recoverable_bytes(),
            .part = message.part(),
            .last_part = message.last_part(),
            .total_copies = message.total_copies(),
            .total_recoverable_bytes = message.total_recoverable_bytes()};
  for (const v1::Copy& copy : message.copies()) {
    std::optional<FileEntry> file = FromProto(copy.file());
    if (!file) return std::nullopt;
    auto shared = SharedPath(copy.shares_storage_with(), file->stat, plan.copies);
    plan.copies.push_back({.file = *std::move(file),
                           .shares_storage_with = std::move(shared),
                           .is_protected = copy.protected_()});
  }
  return plan;
}

std::optional<Action> FromProto(v1::Action action) { return FromProto(kActions, action); }

std::optional<KeepRule::Criterion> FromProto(v1::KeepRule::Criterion criterion) {
  return FromProto(kCriteria, criterion);
}

std::optional<std::string> JobIdOfPlan(std::string_view name) {
  const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (!name.starts_with(kPlansPrefix)) return std::nullopt;
  name.remove_prefix(kPlansPrefix.size());
  const std::size_t dot = std::min(name.find('.'), name.size());
  std::string id(name.substr(0, dot));
  std::string_view digest = name.substr(std::min(dot + 1, name.size()));
  if (const std::size_t end = digest.find('.'); end != std::string_view::npos) {
    std::uint32_t scan = 0;
    const std::string text(digest.substr(end + 1));
    // In the one form that PlanName gives it.
    if (!absl::SimpleAtoi(text, &scan) || absl::StrCat(scan) != text) return std::nullopt;
    digest = digest.substr(0, end);
  }
  const bool is_plan =
      IsUuid(id) && digest.size() == kHexDigits && std::ranges::all_of(digest, is_hex);
  return is_plan ? std::optional(std::move(id)) : std::nullopt;
}

std::string NameOfPlan(const std::string& plan_bytes) {
  constexpr std::uint32_t kTag = v1::ReconciliationPlan::kNameFieldNumber << 3 | 2U;
  google::protobuf::io::CodedInputStream stream(
      reinterpret_cast<const std::uint8_t*>(plan_bytes.data()),
      static_cast<int>(plan_bytes.size()));
  std::uint32_t size = 0;
  std::string name;
  // Fields are serialized in the order of their numbers.
  if (stream.ReadTag() != kTag || !stream.ReadVarint32(&size) ||
      !stream.ReadString(&name, static_cast<int>(size))) {
    return {};
  }
  return name;
}

}  // namespace sluice
