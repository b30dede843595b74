#ifndef SLUICE_TESTS_BENCH_TEMP_DIRECTORY_H_
#define SLUICE_TESTS_BENCH_TEMP_DIRECTORY_H_

#include <cstdlib>
#include <filesystem>
#include <string>

namespace sluice::bench {

// A directory of a benchmark's own, which goes with all that is in it. SLUICE_BENCH_DIR says where.
class TempDirectory final {
 public:
  TempDirectory() {
    const char* parent = ::getenv("SLUICE_BENCH_DIR");  // NOLINT(concurrency-mt-unsafe)
    path_ = std::string(parent == nullptr ? "/var/tmp" : parent) + "/sluice-bench-XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) std::abort();
  }
  ~TempDirectory() { std::filesystem::remove_all(path_); }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_TEMP_DIRECTORY_H_
