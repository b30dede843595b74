#ifndef SLUICE_PIPELINE_FS_PRIVATE_DIRECTORY_H_
#define SLUICE_PIPELINE_FS_PRIVATE_DIRECTORY_H_

#include <string_view>

namespace sluice {

// Directories of this name hold what is in the middle of a change, and what was removed: one at the
// top of each mount, within the allowed root; private to the server. No scan enters one.
inline constexpr std::string_view kPrivateDirectory = ".sluice";

}  // namespace sluice

#endif  // SLUICE_PIPELINE_FS_PRIVATE_DIRECTORY_H_
