#ifndef SLUICE_PIPELINE_STAGES_APPLY_JOURNAL_RECORD_H_
#define SLUICE_PIPELINE_STAGES_APPLY_JOURNAL_RECORD_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/stages/apply/journal.h"

namespace sluice {

// Room for four paths of 64 KiB each, kMaxXattrBytes of attributes, and all else. It bounds the
// memory that a reader takes, whatever a file says.
inline constexpr std::size_t kMaxJournalRecordBytes = 1024 * 1024;

// A record as bytes: its kind, then its members in the order of their declaration, integers as
// varints, enumerators as their numbers, strings and lists with their size before them. Journals
// outlive the program that wrote them: other members, or numbers that mean something else, are
// another version of the file (see journal.cc).
std::string EncodeJournalRecord(const JournalRecord& record);

// Whether a journal can hold the intent with any stage directory and name, and whatever becomes of
// it: what is decided of a change before it is known where its new object will be made.
bool FitsJournal(const ChangeIntent& intent);

// nullopt for bytes that are no record. Any bytes may be given.
std::optional<JournalRecord> DecodeJournalRecord(std::string_view bytes);

}  // namespace sluice

#endif  // SLUICE_PIPELINE_STAGES_APPLY_JOURNAL_RECORD_H_
