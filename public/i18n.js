// Both languages side by side, and numbers, money and times as each writes them.
import { settings } from "./store.js";

const words = {
  app: ["智能商店助手", "Shop Assistant"],
  skip: ["跳到输入框", "Skip to the question box"],
  ask: ["问点什么，或者直接下单…", "Ask anything, or order right away…"],
  fine: ["Enter 发送，Shift+Enter 换行。下单前总会先请你确认。", "Enter sends, Shift+Enter breaks the line. Nothing is bought before you confirm."],
  send: ["发送", "Send"],
  stop: ["停止", "Stop"],
  close: ["关闭", "Close"],
  settings: ["设置", "Settings"],
  panel: ["商店与工具", "Shop and tools"],
  conversations: ["对话", "Conversations"],
  newChat: ["新对话", "New conversation"],
  search: ["搜索对话", "Search conversations"],
  noMatch: ["没有找到对话", "No conversation found"],
  untitled: ["新对话", "New conversation"],
  rename: ["重命名", "Rename"],
  remove: ["删除", "Delete"],
  removed: ["对话已删除", "Conversation deleted"],
  undo: ["撤销", "Undo"],
  toEnd: ["回到最新", "To the latest"],
  hello: ["想看点什么？", "What are you looking for?"],
  helloMore: [
    "商品、价格、库存、推荐、下单、订单分析，直接说就行。",
    "Products, prices, stock, advice, orders and their analysis: just say it.",
  ],
  demoChip: ["演示模型", "Demo model"],
  demoTitle: ["现在由内置的演示模型回答", "The built-in demo model is answering"],
  demoHow: [
    "它只懂这家商店的常见问题。要接入自己的模型，请在 .env 中写入下面几行，再重新启动 web.py：",
    "It knows the usual questions about this shop and no more. To use a model of your own, put these lines into .env and restart web.py:",
  ],
  modelTitle: ["当前模型", "The model"],
  modelHow: ["在 .env 中用 LLM_MODEL、OPENAI_API_BASE 和 OPENAI_API_KEY 更换模型。", "LLM_MODEL, OPENAI_API_BASE and OPENAI_API_KEY in .env choose another one."],
  thinking: ["正在回答…", "Answering…"],
  answered: ["回答完成：", "Answer complete: "],
  askedYou: ["需要你确认：", "Waiting for you: "],
  stopped: ["已停止", "Stopped"],
  interrupted: ["回答中断了。", "The answer was interrupted."],
  continue: ["继续", "Continue"],
  tryAgain: ["重试", "Try again"],
  rounds: ["已连续调用工具 10 轮，先停在这里。", "That was ten rounds of tools; stopped here."],
  errorTitle: ["没能完成回答", "The answer failed"],
  errorHint: ["对话已保存，已完成的操作不会重复。", "The conversation is kept, and nothing that was done is done twice."],
  offline: ["连不上网页服务（web.py）。启动它后会自动恢复。", "The web service (web.py) cannot be reached. The page recovers once it runs."],
  serverDown: ["{name} 连接不上：{error}", "{name} is down: {error}"],
  copy: ["复制", "Copy"],
  copied: ["已复制", "Copied"],
  edit: ["编辑后重新提问", "Edit and ask again"],
  again: ["重新回答", "Answer again"],
  cancel: ["取消", "Cancel"],
  askAgain: ["提问", "Ask"],
  keptPurchase: ["之前的操作已经生效，所以在后面重新提问。", "What was done stays done, so the question is asked anew below."],
  more: ["展开全文", "Show all"],
  less: ["收起", "Show less"],
  you: ["你", "You"],
  assistant: ["助手", "Assistant"],
  running: ["运行中", "Running"],
  waiting: ["等待确认", "Waiting for you"],
  done: ["完成", "Done"],
  failed: ["失败", "Failed"],
  refused: ["已取消", "Cancelled"],
  unknown: ["结果未知", "Outcome unknown"],
  halted: ["已中断", "Interrupted"],
  args: ["参数", "Arguments"],
  result: ["结果", "Result"],
  noArgs: ["无", "None"],
  raw: ["原始 JSON", "Raw JSON"],
  rest: ["还有 {n} 行", "{n} more rows"],
  emptyList: ["没有记录", "Nothing here"],
  confirmBuy: ["确认购买", "Confirm the purchase"],
  confirmTool: ["确认执行", "Confirm"],
  confirmAsk: ["允许执行“{name}”吗？", "Allow “{name}” to run?"],
  notYet: ["确认之前不会下单", "Nothing is ordered until you confirm"],
  notYetTool: ["这个工具会修改数据，确认之前不会执行", "This tool changes something; it does not run until you confirm"],
  customer: ["客户", "Customer"],
  product: ["商品", "Product"],
  unitPrice: ["单价", "Unit price"],
  quantity: ["数量", "Quantity"],
  sum: ["小计", "Amount"],
  total: ["合计", "Total"],
  left: ["购买后剩余", "Left afterwards"],
  leftNow: ["现余", "Left now"],
  short: ["库存不足，可用 {n}", "Not enough: {n} in stock"],
  noPrice: ["暂时查不到价格与库存，金额以订单为准。", "Prices and stock cannot be read now; the order will say."],
  always: ["以后总是允许此工具（可在设置中收回）", "Always allow this tool (undo in Settings)"],
  decided: ["已选择，等待其余确认…", "Chosen; waiting for the other confirmations…"],
  receipt: ["订单已生成", "Order placed"],
  orderNo: ["订单号", "Order"],
  unknownTitle: ["不知道这一步是否成功", "It is not known whether this step succeeded"],
  unknownText: ["连接在得到结果之前断开了。它可能已经生效，请先查看订单再决定。", "The connection ended before the result came. It may have been done: check the orders before anything else."],
  unknownRetry: ["重试（同一笔，只会成交一次）", "Try again (the same order, placed once)"],
  checkOrders: ["查看订单", "Check orders"],
  tabShop: ["商店", "Shop"],
  tabTools: ["工具", "Tools"],
  stock: ["库存", "Stock"],
  low: ["库存偏低", "Low"],
  soldOut: ["售罄", "Sold out"],
  orders: ["最近订单", "Latest orders"],
  noOrders: ["还没有订单", "No orders yet"],
  sales: ["销售", "Sales"],
  byproduct: ["商品", "Product"],
  bycustomer: ["客户", "Customer"],
  byday: ["日期", "Day"],
  salesBy: ["销售汇总方式", "Sales by"],
  noShop: ["没有连接到商店服务。", "No shop is connected."],
  stale: ["商店暂时连不上，以下是之前的数据。", "The shop cannot be reached; this is what was last seen."],
  pieces: ["{n} 件", "{n} pcs"],
  noServers: ["mcp.json 中没有可用的服务器。", "mcp.json names no server."],
  ready: ["已连接", "Connected"],
  connecting: ["连接中", "Connecting"],
  down: ["已断开", "Down"],
  disabled: ["未启用", "Disabled"],
  nTools: ["{n} 个工具", "{n} tools"],
  nServers: ["{n}/{m} 个服务器", "{n} of {m} servers"],
  reconnect: ["重新连接", "Reconnect"],
  readOnly: ["只读", "Reads"],
  writes: ["会修改数据", "Writes"],
  inputSchema: ["输入结构", "Input schema"],
  outputSchema: ["输出结构", "Output schema"],
  tryTool: ["手动运行", "Run by hand"],
  run: ["运行", "Run"],
  badJson: ["“{name}”不是有效的 JSON", "“{name}” is not valid JSON"],
  language: ["语言", "Language"],
  theme: ["外观", "Appearance"],
  auto: ["跟随系统", "System"],
  light: ["浅色", "Light"],
  dark: ["深色", "Dark"],
  allowed: ["不再询问的工具", "Tools that run without asking"],
  allowedNone: ["没有。会修改数据的工具都会先请你确认。", "None. Every tool that changes something asks first."],
  takeBack: ["恢复询问", "Ask again"],
  exportAs: ["导出这个对话", "Export this conversation"],
  notKept: ["浏览器的存储不可用或已满：对话只保留到页面关闭为止。可以导出，或删除旧对话。", "The browser's storage is full or unavailable: conversations last until this page closes. Export this one, or delete old ones."],
  c_id: ["编号", "ID"],
  c_productId: ["商品编号", "Product ID"],
  c_name: ["名称", "Name"],
  c_label: ["名称", "Name"],
  c_key: ["分组", "Key"],
  c_price: ["价格", "Price"],
  c_description: ["描述", "Description"],
  c_quantity: ["数量", "Quantity"],
  c_customerName: ["客户", "Customer"],
  c_items: ["商品", "Items"],
  c_totalAmount: ["金额", "Amount"],
  c_amount: ["金额", "Amount"],
  c_orders: ["订单数", "Orders"],
  c_orderDate: ["时间", "Time"],
};

export const starters = [
  [["有什么卖", "有哪些商品？"], ["On sale", "What do you sell, and what does it cost?"]],
  [["还剩多少", "各商品还有多少库存？"], ["Stock", "How much is left of each product?"]],
  [["帮我推荐", "我预算 1000 元，想要降噪耳机，有货吗？"], ["Advice", "I have 1000 yuan and want noise-cancelling headphones. In stock?"]],
  [["边聊边查", "无线蓝牙耳机Pro 怎么样，还有货吗？"], ["Look it up", "Is 无线蓝牙耳机Pro still in stock?"]],
  [["直接下单", "帮客户A买 2 个无线蓝牙耳机Pro"], ["Buy", "Buy 2 of product 2 for customer A"]],
  [["买后库存", "现在无线蓝牙耳机Pro 还剩多少？"], ["New stock", "How many of product 2 are left now?"]],
  [["分析订单", "按商品汇总一下订单"], ["Analyse", "Summarise the orders by product"]],
];

const wanted = () => settings.get("lang") || (navigator.language.startsWith("zh") ? "zh" : "en");
export const lang = () => (wanted() === "zh" ? "zh" : "en");
const locale = () => (lang() === "zh" ? "zh-CN" : "en");

/** The word for `key` in the page's language, with `{name}` filled in. */
export function t(key, fill = {}) {
  const word = words[key]?.[lang() === "zh" ? 0 : 1] ?? key;
  return word.replace(/\{(\w+)\}/g, (_, name) => fill[name]);
}

export const column = (key) => (`c_${key}` in words ? t(`c_${key}`) : key);
export const starterPairs = () => starters.map((pair) => pair[lang() === "zh" ? 0 : 1]);

const FORMATS = {
  number: () => new Intl.NumberFormat(locale(), { useGrouping: "min2", maximumFractionDigits: 6 }),
  money: () => new Intl.NumberFormat(locale(), { style: "currency", currency: "CNY", currencyDisplay: "narrowSymbol", useGrouping: "min2" }),
  time: () => new Intl.DateTimeFormat(locale(), { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" }),
};
const made = new Map();

function format(kind, value) {
  const key = kind + locale();
  if (!made.has(key)) made.set(key, FORMATS[kind]());
  return made.get(key).format(value);
}

export const number = (value) => format("number", value);
export const money = (value) => format("money", value);

export function time(text) {
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? String(text) : format("time", date);
}

/** Put the language into everything in index.html that names a word. */
export function label(root = document) {
  document.documentElement.lang = locale() === "en" ? "en" : "zh-CN";
  for (const item of root.querySelectorAll("[data-t]")) item.textContent = t(item.dataset.t);
  for (const item of root.querySelectorAll("[data-hint]")) item.placeholder = t(item.dataset.hint);
  for (const item of root.querySelectorAll("[data-label]")) {
    item.setAttribute("aria-label", t(item.dataset.label));
    if (item.tagName === "BUTTON") item.title = t(item.dataset.label);
  }
}
