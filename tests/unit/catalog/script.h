#ifndef SLUICE_TESTS_UNIT_CATALOG_SCRIPT_H_
#define SLUICE_TESTS_UNIT_CATALOG_SCRIPT_H_

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "server/catalog/catalog.h"

// Calls of every kind that writes, for the loops that fail or kill at each step of them, and what
// the catalog must hold after each.
namespace sluice {

struct JobState {
  JobRecord job;
  std::vector<EventRecord> events;

  bool operator==(const JobState&) const = default;
};
using CatalogState = std::map<std::string, JobState>;  // By id.

struct ScriptStep {
  std::string what;
  // Called with the state before it. What has been done in part (a purge) is done again.
  std::function<absl::Status(Catalog&, const CatalogState&)> call;
  std::function<void(CatalogState&)> effect;
};

const std::vector<ScriptStep>& Script();

// Chunks of contents that are stored after all steps and purges: every append of events has one.
inline constexpr std::size_t kContentChunksAtEnd = 3;

// After the first so many steps; all, if there are fewer.
CatalogState StateAfter(std::size_t steps);

// What all functions that read say, which must agree; the first error of one.
absl::StatusOr<CatalogState> ReadState(Catalog& catalog);

// "ok", or what PRAGMA integrity_check has found. REQUIRES: the catalog is closed.
std::string CheckIntegrity(const std::string& directory);
// Events that are stored, also those that nobody can read. REQUIRES: the catalog is closed.
std::size_t CountStoredEvents(const std::string& directory);
// The same for chunks of contents.
std::size_t CountStoredContents(const std::string& directory);
std::size_t CountEvents(const CatalogState& state);

}  // namespace sluice

#endif  // SLUICE_TESTS_UNIT_CATALOG_SCRIPT_H_
