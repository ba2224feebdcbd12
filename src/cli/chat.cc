// facet chat: a conversation on a terminal.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <utility>

#include "base/atomic_file.h"
#include "base/mapped_file.h"
#include "base/process.h"
#include "chat/template_text.h"
#include "cli/chat_session.h"
#include "cli/cli.h"
#include "cli/terminal.h"
#include "cli/text_printer.h"
#include "model/chat_template.h"

namespace facet::cli {
namespace {

using chat::Message;
using chat::Speaker;

constexpr std::size_t kMaxFile = std::size_t{16} << 20;

struct ChatFlags {
  std::string model, prompt, system, system_file, reasoning = "auto";
  SessionFlags session;
  DrawFlags draw;
  DraftFlags drafting;
  bool single_turn = false;
};

constexpr const char* kHelp =
    "/exit, /bye    leave (so does Ctrl-D on an empty line)\n"
    "/clear         forget what was said; the system prompt stays\n"
    "/regen         answer the last message anew\n"
    "/read FILE     put a file's text before the next message\n"
    "/system TEXT   set the system prompt (nothing: remove it)\n"
    "/save FILE     write the conversation as JSON\n"
    "/load FILE     go on with a conversation from JSON\n"
    "/stats         tokens in the context, memory, what drafting measured\n"
    "/help          this list\n"
    "A line that ends in \\ goes on in the next.  Ctrl-C stops an answer; a second one, or one at the prompt, leaves.";

// One run of the verb, from the first message to the last.
class Chat {
 public:
  // drafting: null, or what it measures, for /stats.
  Chat(const ChatFlags& flags, ChatSession session, GenerateOptions options, const DraftLength* drafting)
      : flags_(flags), session_(std::move(session)), options_(std::move(options)), drafting_(drafting) {}

  Status run() {
    set_system(flags_.system);
    if (!flags_.prompt.empty()) FACET_TRY(say(flags_.prompt));
    if (flags_.single_turn) {
      if (flags_.prompt.empty())
        FACET_TRY(say(terminal_.interactive() ? terminal_.read_line("> ").value_or("") : terminal_.read_rest()));
      return ended_early_ ? Status{Code::kCancelled, "interrupted"} : Status();
    }
    if (terminal_.interactive()) terminal_.note("/help lists the commands");
    while (auto line = terminal_.read_line("> ")) {
      terminal_.begin_work();
      if (line->starts_with('/')) {
        const std::size_t space = std::min(line->find_first_of(" \t"), line->size());
        const std::string name = line->substr(0, space);
        const std::string argument(chat::strip(std::string_view(*line).substr(space)));
        if (name == "/exit" || name == "/bye") return {};
        if (name == "/regen") {
          FACET_TRY(answer_anew());
        } else if (Status status = command(name, argument); !status.ok()) {
          terminal_.error(status);
        }
      } else {
        FACET_TRY(say(*line));
      }
    }
    return {};
  }

 private:
  std::vector<Message>& messages() { return session_.conversation.messages; }
  bool has_system() { return !messages().empty() && messages()[0].speaker == Speaker::kSystem; }

  void set_system(const std::string& text) {
    if (has_system()) messages().erase(messages().begin());
    if (!text.empty()) messages().insert(messages().begin(), {.speaker = Speaker::kSystem, .text = text});
  }

  // A user's message and its answer.  White space alone is no message.
  Status say(const std::string& text) {
    if (chat::strip(text).empty()) return {};
    messages().push_back({.speaker = Speaker::kUser, .text = std::exchange(read_, {}) + text});
    return answer({});
  }

  Status answer_anew() {
    std::optional<Message> old;
    if (!messages().empty() && messages().back().speaker == Speaker::kModel) {
      old = std::move(messages().back());
      messages().pop_back();
    }
    if (messages().empty() || messages().back().speaker != Speaker::kUser) {
      if (old) messages().push_back(std::move(*old));
      terminal_.error(invalid_argument("/regen: there is no message to answer yet"));
      return {};
    }
    ++options_.sampling.seed;  // the same one would say the same
    return answer(std::move(old));
  }

  // The last message's.  When nothing comes of it, the message is taken back, or gets its `old` answer again.  Only
  // what ends the program is an error here.
  Status answer(std::optional<Message> old) {
    TextPrinter thought(stderr, /*trim=*/true), text(stdout, /*trim=*/true);
    bool thinks = false;
    auto end_thought = [&] {
      if (!std::exchange(thinks, false)) return;
      if (thought.any()) thought.finish("\n");
      thought = TextPrinter(stderr, true);
      terminal_.dim(false);
    };
    auto take_back = [&] {
      if (old)
        messages().push_back(std::move(*old));
      else
        messages().pop_back();
    };
    auto show = [&](chat::ReplyParser::Kind kind, std::string_view bytes) {
      if (kind == chat::ReplyParser::Kind::kCall || bytes.empty()) return true;
      if (kind == chat::ReplyParser::Kind::kAnswer) {
        end_thought();
        return text.show(bytes);
      }
      terminal_.dim(thinks = true);
      return thought.show(bytes);
    };
    terminal_.begin_work();
    const std::size_t before = messages().size();
    auto result = session_.answer(options_, show, &interrupted);
    end_thought();
    if (!result.ok()) {
      if (result.status().code() != Code::kInvalidArgument) return result.status();
      take_back();
      if (flags_.single_turn) return result.status();
      terminal_.error(result.status());
      return {};
    }
    const ChatSession::Answer& a = *result;
    if (!text.finish(text.any() ? "\n" : "")) return io_error("standard output: cannot write");
    for (const chat::ToolCall& call : a.reply.calls)
      terminal_.note(
          fmt::format("the model calls {}({}); this chat has no tools", call.name, chat::in_one_line(call.arguments)));
    if (a.reply.malformed_call) terminal_.note("note: a tool call could not be read; it stands in the answer");
    if (a.forgotten > 0)
      terminal_.note(
          fmt::format("note: the context of {} positions was full; the oldest {} messages were forgotten (-c "
                      "sets it)",
                      session_.session().options().context, a.forgotten));
    if (a.stats.stop == StopReason::kContextFull)
      terminal_.note(
          fmt::format("note: the context of {} positions is full, the answer ends here (-c sets it); the "
                      "oldest messages will be forgotten",
                      session_.session().options().context));
    ended_early_ = a.stats.stop == StopReason::kCancelled;
    if (ended_early_) terminal_.note("interrupted");
    if (messages().size() + a.forgotten == before) {
      if (!ended_early_)
        terminal_.note(old ? "note: no answer; the old one stays" : "note: no answer; the message is taken back");
      take_back();
    }
    if (!flags_.draw.no_timings) {
      terminal_.dim(true);
      print_timings(a.stats, a.kept);
      terminal_.dim(false);
    }
    return {};
  }

  Status command(const std::string& name, const std::string& argument) {
    if (name == "/help") {
      terminal_.note(kHelp);
    } else if (name == "/clear") {
      const std::string system = has_system() ? messages()[0].text : "";
      session_.conversation = {};
      read_.clear();
      set_system(system);
    } else if (name == "/system") {
      set_system(argument);
      terminal_.note(argument.empty() ? "no system prompt" : "the system prompt is set, for all of the conversation");
    } else if (name == "/stats") {
      stats();
    } else if (name == "/read" || name == "/save" || name == "/load") {
      if (argument.empty()) return invalid_argument(name + " needs a file's name");
      return name == "/read" ? read(argument) : name == "/save" ? save(argument) : load(argument);
    } else {
      return invalid_argument("unknown command '" + name + "' (/help lists them; a space in front makes it a message)");
    }
    return {};
  }

  void stats() {
    const Session& s = session_.session();
    terminal_.note(
        fmt::format("{} messages; {} of {} positions in the cache; cache {:.1f} MB, peak memory {:.1f} MB (VmHWM)",
                    messages().size(), session_.position(), s.options().context, double(s.cache_bytes()) / 1e6,
                    double(peak_rss_bytes()) / 1e6));
    if (drafting_ != nullptr) terminal_.note("drafting: " + drafting_->describe());
  }

  Status read(const std::string& path) {
    FACET_ASSIGN(std::string text, read_text_file(path, kMaxFile));
    read_ += text;
    if (!read_.ends_with('\n')) read_ += '\n';
    terminal_.note(fmt::format("{} bytes, to go with the next message", text.size()));
    return {};
  }

  Status save(const std::string& path) {
    FACET_TRY(write_text_file(path, chat::to_json(session_.conversation)));
    terminal_.note(fmt::format("{} messages in {}", messages().size(), path));
    return {};
  }

  Status load(const std::string& path) {
    FACET_ASSIGN(std::string text, read_text_file(path, kMaxFile));
    auto loaded = chat::conversation_from_json(text);
    if (!loaded.ok()) return loaded.status().with_prefix(path);
    session_.conversation = std::move(*loaded);
    terminal_.note(fmt::format("{} messages from {}", messages().size(), path));
    return {};
  }

  const ChatFlags& flags_;
  ChatSession session_;
  GenerateOptions options_;
  const DraftLength* drafting_;
  Terminal terminal_;
  std::string read_;  // texts of files, for the next message
  bool ended_early_ = false;
};

// How the model wants its turns: as its own template says, else as its size does.
Result<chat::TurnFormat> turn_format(const std::string& path, const Model& model, const Tokenizer& tokenizer) {
  FACET_ASSIGN(std::string jinja, load_chat_template(path));
  if (!jinja.empty()) {
    auto format = chat::format_of_template(jinja);
    return format.ok() ? format : format.status().with_prefix(path);
  }
  const GemmaConfig& config = model.config();
  const int end = tokenizer.id_of("<turn|>");
  if (end < 0 || std::find(config.eos_tokens.begin(), config.eos_tokens.end(), end) == config.eos_tokens.end())
    return unsupported(path +
                       ": not a chat model: it has no chat template, and <turn|> does not end its answers (`facet run` "
                       "continues a text)");
  return chat::TurnFormat{.empty_thought = config.ple_size == 0};  // E2B and E4B are those with per-layer embeddings
}

Status run_chat(ChatFlags flags) {
  if (!flags.system.empty() && !flags.system_file.empty())
    return invalid_argument("give a system prompt once, by --system-prompt or --system-prompt-file");
  if (!flags.system_file.empty()) {
    FACET_ASSIGN(flags.system, read_text_file(flags.system_file, kMaxFile));
  }
  FACET_ASSIGN(std::string path, model_path_or_builtin(flags.model));
  FACET_ASSIGN(Model model, Model::load(path));
  FACET_ASSIGN(Tokenizer tokenizer, load_tokenizer(path));
  FACET_TRY(check_tokenizer(path, tokenizer, model));
  FACET_ASSIGN(chat::TurnFormat format, turn_format(path, model, tokenizer));
  // The markers are looked for before anything is asked.
  if (auto tokens = render({}, format, {}).tokens(tokenizer); !tokens.ok()) return tokens.status().with_prefix(path);

  FACET_ASSIGN(SessionOptions session_options, cli::session_options(flags.session, flags.draw.threads, model));
  // History drops thoughts, so an answer is read again without its own.  Slots for 1024 positions more than a window
  // has make that cheap after most answers; beyond them everything is read again.
  session_options.max_rollback = std::max(session_options.max_batch, 1024);
  ThreadPool pool(std::max(session_options.threads, session_options.batch_threads));
  FACET_ASSIGN(Session session, Session::create(model, pool, session_options));
  FACET_ASSIGN(const LoadedDrafter drafter, open_drafter(flags.drafting, session, &tokenizer));
  fmt::print(stderr, "{}\n", describe(path, session, flags.draw.threads));

  GenerateOptions options{.max_tokens = flags.draw.n_predict,
                          .sampling = flags.draw.sampling,
                          .stop_tokens = chat::stop_tokens(tokenizer),
                          .ignore_stop = flags.draw.ignore_eos};
  for (int token : model.config().eos_tokens) options.stop_tokens.push_back(token);
  const chat::TurnOptions turns{.thinking = flags.reasoning == "on"};
  ChatSession conversation(tokenizer, std::move(session), format, turns, drafter.speculation());
  return Chat(flags, std::move(conversation), std::move(options), drafter.length.get()).run();
}

}  // namespace

void add_chat(CLI::App& app, Status& status) {
  auto flags = std::make_shared<ChatFlags>();
  CLI::App* verb = app.add_subcommand("chat", "talk with a model");
  option(verb, "-m,--model", flags->model, "model folder or .gguf file of a chat model");
  option(verb, "-p,--prompt", flags->prompt, "first message");
  option(verb, "--system-prompt", flags->system, "-sys: what the model is told before the conversation");
  option(verb, "--system-prompt-file", flags->system_file, "-sysf: file with that text");
  verb->add_flag("--single-turn", flags->single_turn, "-st: one message (-p, or standard input) and its answer");
  option(verb, "--reasoning", flags->reasoning, "-rea: let the model think before it answers, on off auto (off)")
      ->check(CLI::IsMember({"on", "off", "auto"}));
  session_flags(verb, flags->session);
  draw_flags(verb, flags->draw);
  drafting_flags(verb, flags->drafting);
  verb->callback([flags, &status] { status = run_chat(*flags); });
}

}  // namespace facet::cli
