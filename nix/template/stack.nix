# stack.yaml as Nix: every key is explained in docs/stack-yaml.md.
{
  models.qwen3-4b = {
    context = 16384;
    sources.llama-cpp = {
      repo = "unsloth/Qwen3-4B-Instruct-2507-GGUF";
      file = "Qwen3-4B-Instruct-2507-Q4_K_M.gguf";
    };
    # resident: loaded at start, with a unit of its own
    roles = [ "default" ];
  };
}
