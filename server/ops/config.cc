#include "server/ops/config.h"

#include <cctype>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string_view>

#include "absl/strings/str_cat.h"
#include <CLI/CLI.hpp>

namespace sluice {
namespace {

constexpr int kUsageError = 2;

// Seconds.
std::map<std::string, std::uint64_t> TimeUnits() {
  return {{"s", 1}, {"m", 60}, {"h", 60 * 60}, {"d", 24 * 60 * 60}};
}

// Empty where it is not set. Nothing changes the environment once main() has begun.
std::string Environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe)
  return value == nullptr ? "" : value;
}

std::string DefaultDataDir() {
  if (const std::string data = Environment("XDG_DATA_HOME"); !data.empty()) {
    return absl::StrCat(data, "/sluice");
  }
  if (const std::string home = Environment("HOME"); !home.empty()) {
    return absl::StrCat(home, "/.local/share/sluice");
  }
  return "/var/lib/sluice";
}

// --data_dir -> SLUICE_DATA_DIR.
std::string EnvironmentName(const CLI::Option& option) {
  std::string name = "SLUICE_";
  for (const char c : option.get_single_name()) {
    name += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return name;
}

void AddOptions(CLI::App& app, Config& config) {
  app.add_option("--listen", config.listen,
                 "Address to serve on: unix:/path.sock or HOST:PORT (port 7878 when left out); "
                 "repeatable")
      ->default_str(absl::StrCat("unix:", DefaultSocket()));
  app.add_option("--data_dir", config.data_dir, "Directory of the catalog; made when missing")
      ->capture_default_str();
  app.add_option("--allow_root", config.allow_root,
                 "Directory that jobs may read, with all that is below it; repeatable. Without "
                 "any, nothing can be scanned");
  app.add_flag("--insecure_plaintext", config.insecure_plaintext,
               "Serve plaintext on addresses other than loopback, too");
  app.add_option("--job_threads", config.job_threads,
                 "Threads that jobs run on; 0: two a processor, at least 4")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  app.add_option("--max_running_jobs", config.max_running_jobs, "Jobs that run at a time")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--max_streams", config.max_streams, "Streams that are open at a time")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app.add_option("--max_queued_jobs", config.max_queued_jobs,
                 "Jobs that wait for their turn at a time; more are refused")
      ->check(CLI::Range(0, 100'000))
      ->capture_default_str();
  app.add_option(
         "--resume_jobs", config.resume_jobs,
         "What becomes of jobs that had not ended at the start: auto (they go on) or paused")
      ->check(CLI::IsMember({"auto", "paused"}))
      ->capture_default_str();
  app.add_option("--job_retention", config.job_retention_seconds,
                 "How long events and scans are kept after the end of their job (12h, 30d; 0: for "
                 "ever)")
      ->transform(CLI::AsNumberWithUnit(TimeUnits(), CLI::AsNumberWithUnit::CASE_SENSITIVE, "TIME"))
      ->capture_default_str();
  app.add_option(
         "--max_catalog_bytes", config.max_catalog_bytes,
         "When the catalog holds more, the jobs that ended first are given up (20GiB; 0: no "
         "bound)")
      ->transform(CLI::AsSizeValue(false))
      ->capture_default_str();
  app.add_option("--grace", config.grace_seconds,
                 "Seconds that calls are given to end after SIGTERM")
      ->check(CLI::Range(0, 3600))
      ->capture_default_str();
  app.add_option("--log_level", config.log_level, "What is logged to stderr")
      ->check(CLI::IsMember({"debug", "info", "warning", "error", "off"}))
      ->capture_default_str();
}

// Gives an option that is not set the values of a weaker source.
void FillIn(CLI::Option& option, const std::vector<std::string>& values) {
  if (option.count() > 0) return;
  for (const std::string& value : values) option.add_result(value);
  option.run_callback();
}

void ApplyEnvironment(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) {
    const std::string value = Environment(EnvironmentName(*option));
    if (value.empty()) continue;
    // Lists are separated as in PATH; an address holds colons, so by commas.
    const bool is_list = option->get_items_expected_max() > 1;
    FillIn(*option, is_list ? CLI::detail::split(value, ',') : std::vector<std::string>{value});
  }
}

void ApplyFile(CLI::App& app, const std::string& path) {
  for (const CLI::ConfigItem& item : CLI::ConfigTOML().from_file(path)) {
    CLI::Option* option =
        item.parents.empty() ? app.get_option_no_throw("--" + item.name) : nullptr;
    if (option == nullptr) {
      throw CLI::ConfigError(absl::StrCat(path, ": unknown setting \"", item.fullname(), "\""));
    }
    FillIn(*option, item.inputs);
  }
}

std::string ToFile(const Config& config) {
  const auto list = [](const std::vector<std::string>& values) {
    std::string text = "[";
    for (const std::string& value : values) {
      absl::StrAppend(&text, text.size() > 1 ? ", " : "", "\"", value, "\"");
    }
    return text + "]";
  };
  return absl::StrCat(
      "listen = ", list(config.listen), "\n", "data_dir = \"", config.data_dir, "\"\n",
      "allow_root = ", list(config.allow_root), "\n",
      "insecure_plaintext = ", config.insecure_plaintext ? "true" : "false", "\n",
      "job_threads = ", config.job_threads, "\n", "max_running_jobs = ", config.max_running_jobs,
      "\n", "max_queued_jobs = ", config.max_queued_jobs, "\n", "resume_jobs = \"",
      config.resume_jobs, "\"\n", "job_retention = ", config.job_retention_seconds, "\n",
      "max_catalog_bytes = ", config.max_catalog_bytes, "\n", "max_streams = ", config.max_streams,
      "\n", "grace = ", config.grace_seconds, "\n", "log_level = \"", config.log_level, "\"\n");
}

// The first line of an error, as a user should read it.
EarlyExit UsageError(std::string_view message) {
  return {.status = kUsageError,
          .text = absl::StrCat("sluiced: ", std::string(message.substr(0, message.find('\n'))),
                               " (see sluiced --help)")};
}

}  // namespace

std::string DefaultSocket() {
  const std::string runtime = Environment("XDG_RUNTIME_DIR");
  return absl::StrCat(runtime.empty() ? "/run" : runtime, "/sluice/sluiced.sock");
}

std::variant<Config, EarlyExit> ParseConfig(int argc, const char* const* argv) {
  Config config;
  config.data_dir = DefaultDataDir();
  CLI::App app(
      "sluiced: scan and reconcile jobs over huge file trees, as gRPC streams that the client's "
      "flow control paces.");
  app.set_version_flag("--version", absl::StrCat("sluiced ", SLUICE_VERSION));
  AddOptions(app, config);
  std::string file;
  bool print_config = false;
  bool check_config = false;
  app.add_option("--config", file, "File of settings, as --print_config prints them");
  app.add_flag("--print_config", print_config, "Print the settings in force, and exit");
  app.add_flag("--check_config", check_config, "Check the settings, and exit");
  app.footer(
      "Example: sluiced --listen=127.0.0.1:7878 --data_dir=/var/lib/sluice --allow_root=/data\n"
      "Every setting is also read from the environment (SLUICE_DATA_DIR; lists with commas) and "
      "from --config. A flag wins over the environment, the environment over the file.");
  try {
    app.parse(argc, argv);
    ApplyEnvironment(app);
    if (!file.empty()) ApplyFile(app, file);
  } catch (const CLI::CallForHelp&) {
    return EarlyExit{.status = 0, .text = app.help()};
  } catch (const CLI::CallForVersion&) {
    return EarlyExit{.status = 0, .text = absl::StrCat("sluiced ", SLUICE_VERSION, "\n")};
  } catch (const CLI::Error& error) {
    return UsageError(error.what());
  }
  if (config.listen.empty()) config.listen.push_back(absl::StrCat("unix:", DefaultSocket()));
  if (print_config) return EarlyExit{.status = 0, .text = ToFile(config)};
  if (check_config) return EarlyExit{.status = 0, .text = "the settings are valid\n"};
  return config;
}

}  // namespace sluice
