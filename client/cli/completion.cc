#include "client/cli/completion.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

namespace sluice::cli {

namespace {

struct Word {
  std::string text;
  std::string description;
};

// What may follow a command: "" is the program itself, "jobs list" a nested command.
struct Place {
  std::string path;
  std::vector<Word> commands;
  std::vector<Word> options;
};

std::vector<Word> OptionsOf(const CLI::App& app) {
  std::vector<Word> words;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      words.push_back({.text = "--" + name, .description = option->get_description()});
    }
  }
  return words;
}

void Collect(const CLI::App& app, const std::string& path, const std::vector<Word>& inherited,
             std::vector<Place>& places) {
  Place place = {.path = path, .commands = {}, .options = OptionsOf(app)};
  place.options.insert(place.options.end(), inherited.begin(), inherited.end());
  const auto subcommands = app.get_subcommands(nullptr);
  for (const CLI::App* command : subcommands) {
    place.commands.push_back(
        {.text = command->get_name(), .description = command->get_description()});
  }
  places.push_back(std::move(place));
  const std::vector<Word> passed_on = path.empty() ? OptionsOf(app) : inherited;
  for (const CLI::App* command : subcommands) {
    const std::string separator = path.empty() ? "" : " ";
    Collect(*command, absl::StrCat(path, separator, command->get_name()), passed_on, places);
  }
}

// `  "<command so far> <word>") command="<path>" ;;` for every command, in bash and zsh.
std::string DescendCases(const std::vector<Place>& places) {
  std::string cases;
  for (const Place& place : places) {
    for (const Word& command : place.commands) {
      const std::string separator = place.path.empty() ? "" : " ";
      absl::StrAppend(&cases, "      \"", place.path, " ", command.text, "\") command=\"",
                      place.path, separator, command.text, "\" ;;\n");
    }
  }
  return cases;
}

std::string Texts(const std::vector<Word>& words) {
  return absl::StrJoin(words, " ", [](std::string* out, const Word& word) { *out += word.text; });
}

std::string Bash(const std::vector<Place>& places) {
  std::string cases;
  for (const Place& place : places) {
    absl::StrAppend(&cases, "    \"", place.path, "\") commands=\"", Texts(place.commands),
                    "\" options=\"", Texts(place.options), "\" ;;\n");
  }
  return absl::StrCat(R"(# Completion for sluice. Load it with: source <(sluice completion bash)
_sluice() {
  local current=${COMP_WORDS[COMP_CWORD]} command="" commands="" options="" word
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$command $word" in
)",
                      DescendCases(places), R"(    esac
  done
  case "$command" in
)",
                      cases, R"(  esac
  if [[ $current == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
  elif [[ -n $commands ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$current")
  else
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  fi
}
complete -o filenames -F _sluice sluice
)");
}

// 'text:description', quoted for zsh.
std::string ZshWords(const std::vector<Word>& words) {
  return absl::StrJoin(words, " ", [](std::string* out, const Word& word) {
    const std::string description =
        absl::StrReplaceAll(word.description, {{"'", "'\\''"}, {":", "\\:"}});
    absl::StrAppend(out, "'", word.text, ":", description, "'");
  });
}

std::string Zsh(const std::vector<Place>& places) {
  std::string cases;
  for (const Place& place : places) {
    absl::StrAppend(&cases, "    \"", place.path, "\")\n      commands=(", ZshWords(place.commands),
                    ")\n      options=(", ZshWords(place.options), ") ;;\n");
  }
  return absl::StrCat(R"(#compdef sluice
# Completion for sluice. Load it with: source <(sluice completion zsh)
_sluice() {
  local command="" word
  local -a commands options
  for word in "${(@)words[2,CURRENT-1]}"; do
    case "$command $word" in
)",
                      DescendCases(places), R"(    esac
  done
  case "$command" in
)",
                      cases, R"(  esac
  if [[ $words[CURRENT] == -* ]]; then
    _describe -o option options
  elif (( $#commands )); then
    _describe command commands
  else
    _files
  fi
}
compdef _sluice sluice
)");
}

std::string FishQuoted(const std::string& text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"'", "\\'"}}), "'");
}

// When the words of `path` stand on the command line, and no further command does.
std::string FishCondition(const Place& place) {
  if (place.path.empty()) return "__fish_use_subcommand";
  std::string condition;
  for (const std::string& word : CLI::detail::split(place.path, ' ')) {
    absl::StrAppend(&condition, condition.empty() ? "" : "; and ", "__fish_seen_subcommand_from ",
                    word);
  }
  if (!place.commands.empty()) {
    absl::StrAppend(&condition, "; and not __fish_seen_subcommand_from ", Texts(place.commands));
  }
  return condition;
}

std::string Fish(const std::vector<Place>& places) {
  std::string script = "# Completion for sluice. Load it with: sluice completion fish | source\n";
  for (const Place& place : places) {
    const std::string start =
        absl::StrCat("complete -c sluice -n ", FishQuoted(FishCondition(place)), " ");
    for (const Word& command : place.commands) {
      absl::StrAppend(&script, start, "-f -a ", command.text, " -d ",
                      FishQuoted(command.description), "\n");
    }
    for (const Word& option : place.options) {
      absl::StrAppend(&script, start, "-l ", option.text.substr(2), " -d ",
                      FishQuoted(option.description), "\n");
    }
  }
  return script;
}

}  // namespace

std::string CompletionScript(const CLI::App& root, Shell shell) {
  std::vector<Place> places;
  Collect(root, "", {}, places);
  switch (shell) {
    case Shell::kBash:
      return Bash(places);
    case Shell::kZsh:
      return Zsh(places);
    case Shell::kFish:
      return Fish(places);
  }
  return "";
}

}  // namespace sluice::cli
