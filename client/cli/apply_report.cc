#include "client/cli/apply_report.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

#include "client/cli/format.h"
#include "client/error_details.h"

namespace sluice::cli {

namespace {

using Outcome = v1::ApplyOutcome;

constexpr char kPendingUntil[] = "when the undo window ends";

// As a plan's field has it: what is not set is a hard link.
std::string ActionName(v1::Action action) {
  switch (action) {
    case v1::ACTION_REFLINK:
      return "reflink";
    case v1::ACTION_SYMLINK:
      return "symlink";
    case v1::ACTION_REMOVE:
      return "remove";
    default:
      return "hard link";
  }
}

// What the action does to the other copies of each plan.
std::string ActionText(v1::Action action) {
  switch (action) {
    case v1::ACTION_REFLINK:
      return "let the other copies share the storage of the kept one";
    case v1::ACTION_SYMLINK:
      return "put symbolic links to the kept one in place of the other copies";
    case v1::ACTION_REMOVE:
      return "remove the other copies";
    default:
      return "make the other copies hard links to the kept one";
  }
}

std::string MetadataName(Outcome::Metadata metadata) {
  switch (metadata) {
    case Outcome::METADATA_GROUP:
      return "group";
    case Outcome::METADATA_MODE:
      return "mode";
    case Outcome::METADATA_MODIFY_TIME:
      return "modification time";
    case Outcome::METADATA_ACL:
      return "ACL";
    case Outcome::METADATA_XATTRS:
      return "extended attributes";
    default:
      return "other metadata";
  }
}

std::string MetadataText(const Outcome& outcome) {
  std::vector<std::string> names;
  for (const int metadata : outcome.metadata_changes()) {
    names.push_back(MetadataName(static_cast<Outcome::Metadata>(metadata)));
  }
  return absl::StrJoin(names, ", ");
}

std::string SkipReasonText(Outcome::SkipReason reason) {
  switch (reason) {
    case Outcome::SKIP_REASON_CHANGED:
      return "changed since it was recorded";
    case Outcome::SKIP_REASON_VANISHED:
      return "not there any more";
    case Outcome::SKIP_REASON_BUSY:
      return "open for writing";
    case Outcome::SKIP_REASON_CONTENT_DIFFERS:
      return "the contents differ";
    case Outcome::SKIP_REASON_SOURCE_UNAVAILABLE:
      return "the file to keep has changed, is busy or cannot be read";
    case Outcome::SKIP_REASON_SAME_FILE:
      return "already the same file, or sharing its storage";
    case Outcome::SKIP_REASON_OTHER_FILE_SYSTEM:
      return "on another file system than the file to keep";
    case Outcome::SKIP_REASON_OWNER_DIFFERS:
      return "another owner than the file to keep";
    case Outcome::SKIP_REASON_METADATA_DIFFERS:
      return "metadata differs";
    case Outcome::SKIP_REASON_PROTECTED:
      return "protected";
    case Outcome::SKIP_REASON_LIVE_DATABASE:
      return "part of a database in use";
    case Outcome::SKIP_REASON_IMMUTABLE:
      return "immutable or append-only";
    case Outcome::SKIP_REASON_PRIVILEGED:
      return "set-user-id, set-group-id or with file capabilities";
    case Outcome::SKIP_REASON_LEASES_UNSUPPORTED:
      return "its file system cannot tell who has it open (see --allow-unleased)";
    case Outcome::SKIP_REASON_NOT_ALLOWED:
      return "outside of the allowed roots, or through a symbolic link";
    case Outcome::SKIP_REASON_UNSUPPORTED:
      return "its file system cannot do it, or its path is too long";
    case Outcome::SKIP_REASON_READ_ONLY:
      return "on a read-only mount";
    case Outcome::SKIP_REASON_PERMISSION_DENIED:
      return "permission denied";
    case Outcome::SKIP_REASON_TYPE:
      return "no regular file any more";
    case Outcome::SKIP_REASON_PATH_TAKEN:
      return "something else has taken its path";
    case Outcome::SKIP_REASON_KEPT_AS_SOURCE:
      return "kept, since the file to keep has as many links as it may";
    case Outcome::SKIP_REASON_OTHER_HOST:
      return "recorded by another host";
    default:
      return "for another reason";
  }
}

std::string WithMetadata(const std::string& text, const Outcome& outcome) {
  if (outcome.metadata_changes().empty()) return text;
  return absl::StrCat(text, ": ", MetadataText(outcome));
}

// What was done: "symlink", "would symlink"; of an undo, whatever it undoes: "undo".
std::string Verb(const Outcome& outcome) {
  const std::string name = outcome.undo() ? "undo" : ActionName(outcome.action());
  return outcome.result() == Outcome::RESULT_WOULD_APPLY ? "would " + name : name;
}

// How the kept file stands to the path now.
std::string KeptText(const Outcome& outcome) {
  switch (outcome.action()) {
    case v1::ACTION_REFLINK:
      return "with " + outcome.kept_path();
    case v1::ACTION_REMOVE:
      return "kept " + outcome.kept_path();
    default:
      return "to " + outcome.kept_path();
  }
}

std::string ChangeText(const Outcome& outcome, const Console& console) {
  std::vector<std::string> remarks;
  if (!outcome.undo() && !outcome.kept_path().empty()) remarks.push_back(KeptText(outcome));
  if (outcome.recovered_bytes() > 0) {
    remarks.push_back(absl::StrCat(HumanBytes(outcome.recovered_bytes()), " freed"));
  }
  if (outcome.pending_bytes() > 0) {
    remarks.push_back(
        absl::StrCat(HumanBytes(outcome.pending_bytes()), " to be freed ", kPendingUntil));
  }
  if (!outcome.metadata_changes().empty()) {
    remarks.push_back(absl::StrCat("gave up ", MetadataText(outcome)));
  }
  std::string text = absl::StrFormat("%-15s  %s", Verb(outcome), outcome.path());
  if (remarks.empty()) return text;
  return absl::StrCat(text, "   ", console.Dim(absl::StrJoin(remarks, ", ")));
}

// The names of the rows of a summary.
struct Words {
  const char* changed;
  const char* recovered;
};

Words WordsFor(const v1::ApplySpec& spec) {
  const bool real = spec.has_dry_run() && !spec.dry_run();
  if (!spec.undo_of().empty()) return {real ? "undone" : "would undo", "recovered"};
  return {real ? "changed" : "would change", real ? "recovered" : "would recover"};
}

}  // namespace

bool IsChange(const v1::ApplyOutcome& outcome) {
  return outcome.result() == Outcome::RESULT_APPLIED ||
         outcome.result() == Outcome::RESULT_WOULD_APPLY;
}

std::string OutcomeText(const v1::ApplyOutcome& outcome, const Console& console) {
  if (IsChange(outcome)) return ChangeText(outcome, console);
  const std::string about = absl::StrCat("sluice: ", outcome.path());
  if (outcome.result() == Outcome::RESULT_FAILED) {
    return absl::StrCat(about, ": not changed: ", DescribeError(outcome.error()));
  }
  return absl::StrCat(about,
                      ": skipped: ", WithMetadata(SkipReasonText(outcome.skip_reason()), outcome));
}

std::string ApplySummaryText(const v1::Job& job, const v1::JobSummary& summary) {
  const v1::JobCounters& counters = summary.counters();
  const Words words = WordsFor(job.spec().apply());
  std::string text =
      absl::StrCat(SummaryRow(words.changed, Counted(counters.changes(), "file", "files")),
                   SummaryRow("skipped", Grouped(counters.skipped())),
                   SummaryRow("failed", Grouped(counters.errors())),
                   SummaryRow(words.recovered, HumanAndExactBytes(counters.recovered_bytes())));
  if (counters.pending_bytes() > 0) {
    absl::StrAppend(&text,
                    SummaryRow("pending", absl::StrCat(HumanAndExactBytes(counters.pending_bytes()),
                                                       ", given back ", kPendingUntil)));
  }
  absl::StrAppend(&text, SummaryRow("time", HumanDuration(summary.elapsed())));
  if (job.has_undo_expire_time()) {
    absl::StrAppend(&text, "undo with: sluice undo ", job.name(), "   (until ",
                    LocalTime(job.undo_expire_time()), ")\n");
  }
  return text;
}

std::string PlannedText(const v1::Job& reconcile, const v1::ApplySpec& spec) {
  std::string text = absl::StrCat(
      reconcile.name(), ": ", Counted(reconcile.counters().groups(), "group", "groups"), ", ",
      HumanAndExactBytes(reconcile.counters().recoverable_bytes()), " recoverable");
  if (spec.plans_size() > 0) {
    absl::StrAppend(&text, " in all; of these, ",
                    Counted(static_cast<std::uint64_t>(spec.plans_size()), "plan", "plans"));
  }
  const v1::Action planned = reconcile.spec().reconcile().action();
  const v1::Action action = spec.action() == v1::ACTION_UNSPECIFIED ? planned : spec.action();
  return absl::StrCat(text, "\n", ActionText(action));
}

std::string DoneText(const v1::Job& apply) {
  const v1::JobCounters& counters = apply.counters();
  return absl::StrCat(apply.name(), ": ", WordsFor(apply.spec().apply()).changed, " ",
                      Counted(counters.changes(), "file", "files"), ", ",
                      HumanAndExactBytes(counters.recovered_bytes()), " recovered, ",
                      HumanAndExactBytes(counters.pending_bytes()), " pending");
}

}  // namespace sluice::cli
