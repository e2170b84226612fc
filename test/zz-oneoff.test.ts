import { readFileSync, existsSync } from "node:fs";
import { test, expect } from "vitest";
import { readConfig, ropeDivisors, ropeFrequencies } from "../src/model/config.ts";
import { mapWeights } from "../src/model/weights.ts";
import { readGguf } from "/tmp/cfg/gguf.mjs";
const T: any = {0:"f32",1:"f16",2:"q4_0",8:"q8_0",30:"bf16"};
const G="/work/shared/golden/";
function gg(path:string):any{const g:any=readGguf(path);return {cp:{format:"gguf",name:path,tensors:new Map([...g.ts].map(([n,t]:any)=>[n,{...t,type:T[t.type]??"??",offset:g.base+t.off}])),metadata:g.md,json:new Map(),warnings:[]},g}}
function hf(dir:string):any{const json=new Map<string,any>();for(const f of ["config.json","generation_config.json"])if(existsSync(dir+"/"+f))json.set(f,JSON.parse(readFileSync(dir+"/"+f,"utf8")));
const b=readFileSync(dir+"/model.safetensors");const n=Number(b.readBigUInt64LE(0));const h=JSON.parse(b.toString("utf8",8,8+n));delete h.__metadata__;
return {cp:{format:"safetensors",name:dir,tensors:new Map(Object.entries(h).map(([k,v]:any)=>[k,{name:k,type:v.dtype.toLowerCase(),shape:v.shape,offset:8+n+v.data_offsets[0]}])),metadata:new Map(),json,warnings:[]},b}}
const val=(buf:any,m:any,o:number,i:number)=>new DataView(buf.buffer,buf.byteOffset).getFloat32(m.stored.offset+4*(m.start+o*m.outputStride+i*m.inputStride),true);
for(const c of ["text-a-scout","text-b-maverick","text-c-top2","text-d-guard","text-e-8192","text-f-edges"]) test(c,()=>{
 const a=gg(G+c+"/model-f32.gguf"),b=hf(G+c);
 const x=readConfig(a.cp),y=readConfig(b.cp);
 expect({...x.config,ropeScaling:0,eos:0}).toEqual({...y.config,ropeScaling:0,eos:0});
 console.log(c,x.warnings,y.warnings,JSON.stringify(y.config).slice(0,700),x.config.eos);
 const r=a.g.ts.get("rope_freqs.weight"); const own=ropeDivisors(y.config);
 if(r){const f=Float32Array.from({length:r.shape[0]},(_,i)=>a.g.v.getFloat32(a.g.base+r.off+4*i,true));expect(own).toEqual(f); expect(ropeFrequencies(x.config,f)).toEqual(ropeFrequencies(y.config,own));} else expect(own).toBe(null);
 const p=mapWeights(a.cp,x.config),q=mapWeights(b.cp,y.config); console.log(p.warnings,q.warnings);
 // every matrix equal
 const walk=(u:any,w:any)=>{ if(u&&typeof u==="object"&&"cols" in u){expect([u.name,u.rows,u.cols,u.type]).toEqual([w.name,w.rows,w.cols,w.type]);for(let o=0;o<u.rows;o+=7)for(let i=0;i<u.cols;i+=5)if(val(a.g.b,u,o,i)!==val(b.b,w,o,i))throw Error(u.name)} else if(u&&typeof u==="object"&&!("stored" in u)) for(const k of Object.keys(u)) if(k!=="ropeDivisors") walk(u[k],w[k]); };
 walk(p.weights,q.weights);
});
test("linearised",()=>{const b=hf(G+"text-a-scout"),l=hf(G+"text-a-linearised");const p=mapWeights(b.cp,readConfig(b.cp).config),q=mapWeights(l.cp,readConfig(l.cp).config);
 const u=p.weights.layers[3]!.experts[2]!,w=q.weights.layers[3]!.experts[2]!;for(const k of ["gate","up","down"] as const)for(let o=0;o<u[k].rows;o++)for(let i=0;i<u[k].cols;i++)if(val(b.b,u[k],o,i)!==val(l.b,w[k],o,i))throw Error(k)});
test("vision",()=>{const b=hf(G+"vision-v");const r=readConfig(b.cp);console.log(r.warnings,mapWeights(b.cp,r.config).warnings,[...b.cp.tensors.keys()].slice(0,3))});
test("others",()=>{for(const c of ["mixtral","dense-llama3"]){try{readConfig(gg(G+c+"/model-f32.gguf").cp)}catch(e){console.log(String(e))}try{readConfig(hf(G+c).cp)}catch(e){console.log(String(e))}}});
test("storyteller",()=>{for(const f of readdirSync("/work/shared/models/storyteller"))if(f.endsWith(".gguf")){const a=gg("/work/shared/models/storyteller/"+f);const r=readConfig(a.cp);console.log(f,r,mapWeights(a.cp,r.config).warnings)}});
import { readdirSync } from "node:fs";
