#ifndef SLUICE_TESTS_BENCH_FILES_H_
#define SLUICE_TESTS_BENCH_FILES_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/str_format.h"

#include "pipeline/fs/file.h"

namespace sluice::bench {

// The i-th file that a scan with digests finds: a path of 60 bytes, sizes in no order.
inline FileEntry MakeFile(std::uint64_t i) {
  FileEntry file;
  file.path =
      absl::StrFormat("/data/archive/projects/%08d/photographs/image_%010d.jpg", i / 100, i);
  file.stat.size = 1000 + (i * 0x9e3779b97f4a7c15 >> 32) % 250'000;
  file.stat.allocated_bytes = (file.stat.size + 4095) / 4096 * 4096;
  file.stat.modify_time_ns = 1'700'000'000'000'000'000 + static_cast<std::int64_t>(i);
  file.stat.change_time_ns = file.stat.modify_time_ns;
  file.stat.device = 66305;
  file.stat.inode = 1'000'000 + i;
  file.stat.link_count = 1;
  file.stat.mode = 0644;
  file.digest.emplace().bytes.fill(static_cast<std::uint8_t>(i));
  return file;
}

inline std::vector<FileEntry> MakeFiles(std::size_t count) {
  std::vector<FileEntry> files(count);
  for (std::size_t i = 0; i < count; ++i) files[i] = MakeFile(i);
  return files;
}

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_FILES_H_
