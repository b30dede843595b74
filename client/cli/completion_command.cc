#include <memory>
#include <string>

#include "client/cli/command.h"
#include "client/cli/completion.h"

namespace sluice::cli {

namespace {

constexpr char kFooter[] = R"(Examples:
  source <(sluice completion bash)             in ~/.bashrc
  source <(sluice completion zsh)              in ~/.zshrc, after compinit
  sluice completion fish | source              in ~/.config/fish/config.fish)";

}  // namespace

void DeclareCompletion(CLI::App& root, Invocation& invocation) {
  CLI::App& command =
      *root.add_subcommand("completion", "Print a script that lets a shell complete commands");
  const auto name = std::make_shared<std::string>();
  command.add_option("SHELL", *name, "bash, zsh or fish")
      ->required()
      ->type_name("")
      ->check(CLI::IsMember({"bash", "zsh", "fish"}).description(""));
  command.footer(kFooter);
  command.callback([name, &root, &invocation] {
    invocation.run_locally = [name, &root](Console& console) {
      const Shell shell = *name == "bash"  ? Shell::kBash
                          : *name == "zsh" ? Shell::kZsh
                                           : Shell::kFish;
      console.Print(CompletionScript(root, shell));
      return ExitStatus::kOk;
    };
  });
}

}  // namespace sluice::cli
