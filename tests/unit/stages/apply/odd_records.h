#ifndef SLUICE_TESTS_UNIT_STAGES_APPLY_ODD_RECORDS_H_
#define SLUICE_TESTS_UNIT_STAGES_APPLY_ODD_RECORDS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "pipeline/stages/apply/journal.h"

namespace sluice {

// Records with extreme and empty values of every member, the same for the same seed.
std::vector<JournalRecord> OddRecords(std::uint32_t seed, std::size_t count);

}  // namespace sluice

#endif  // SLUICE_TESTS_UNIT_STAGES_APPLY_ODD_RECORDS_H_
